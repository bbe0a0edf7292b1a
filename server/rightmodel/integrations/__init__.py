"""Registrations: what each agent must be told to start rightmodel, in its own file format.

Pure: `facts` says what is known of a client, `entry` makes the registration of it, `formats` reads
and writes text. Nothing here touches a file.
"""

from __future__ import annotations

from rightmodel.integrations.entry import Launch, merged, registration
from rightmodel.integrations.facts import CLIENTS, Client
from rightmodel.integrations.formats import CannotMergeError

__all__ = ["CLIENTS", "CannotMergeError", "Client", "Launch", "merged", "registration"]
