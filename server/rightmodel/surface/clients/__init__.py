"""Registrations: what each agent must be told to start rightmodel, in its own file format.

Pure: `facts` says what is known of a client, `entry` makes the registration of it, `formats` reads
and writes text. Nothing here touches a file.
"""

from __future__ import annotations

from rightmodel.surface.clients.entry import Launch, merged, registration
from rightmodel.surface.clients.facts import CLIENTS, Client
from rightmodel.surface.clients.formats import CannotMergeError

__all__ = ["CLIENTS", "CannotMergeError", "Client", "Launch", "merged", "registration"]
