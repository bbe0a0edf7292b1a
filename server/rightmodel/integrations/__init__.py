"""Registrations: what each agent needs to start rightmodel, in its own file format.

`clients` holds the facts of each agent, `registration` turns them into an entry, `edit` puts it
into the text of a file or takes it out. Pure: nothing here touches a file.
"""

from __future__ import annotations

from rightmodel.integrations.clients import CLIENTS, SKILL, Client
from rightmodel.integrations.edit import CannotMergeError
from rightmodel.integrations.registration import Launch, merged, own_model, registration, removed

__all__ = [
    "CLIENTS",
    "SKILL",
    "CannotMergeError",
    "Client",
    "Launch",
    "merged",
    "own_model",
    "registration",
    "removed",
]
