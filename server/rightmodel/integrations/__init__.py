"""Registrations: what each agent needs to start rightmodel, in its own file format.

`clients` holds the facts of each agent, `registration` turns them into an entry, `model_setup`
knows what an agent runs on and makes the gateway its model, `edit` puts either into the text of a
file or takes it out. Pure: nothing here touches a file.
"""

from __future__ import annotations

from rightmodel.integrations.clients import CLIENTS, SKILL, Client
from rightmodel.integrations.edit import CannotMergeError
from rightmodel.integrations.model_setup import (
    SETUPS,
    Former,
    Gateway,
    Setup,
    former_settings,
    known_id,
    model_settings,
    own_models,
    with_model,
    without_model,
)
from rightmodel.integrations.registration import Launch, merged, registration, removed

__all__ = [
    "CLIENTS",
    "SETUPS",
    "SKILL",
    "CannotMergeError",
    "Client",
    "Former",
    "Gateway",
    "Launch",
    "Setup",
    "former_settings",
    "known_id",
    "merged",
    "model_settings",
    "own_models",
    "registration",
    "removed",
    "with_model",
    "without_model",
]
