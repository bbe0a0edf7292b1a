"""Who may send a request: tokens, clients, and pages of other origins."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

from rightmodel.manifest.clients import tokens
from rightmodel.surfaces.http.errors import HttpError
from rightmodel.surfaces.http.listening import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.manifest.catalog import Catalog, Client
    from rightmodel.manifest.settings import Settings

ANYONE: Final = "http"
"""Who makes a call, in the ledger, where no `[clients.NAME]` does."""
SCOPE_KEY: Final = "rightmodel.client"
"""Where the ASGI scope holds the name of the client."""


class Caller(NamedTuple):
    """Who sends a request. `client`: of `[clients]`, `None` for whoever runs the server."""

    name: str = ANYONE
    client: Client | None = None

    def require(self, surface: str) -> None:
        """Raises `HttpError` where the client may not use this surface: "mcp", "v1", "operator"."""
        if self.client is None or surface in self.client.surfaces:
            return
        if surface == "operator":
            raise HttpError(
                403,
                "forbidden",
                f"client {self.name} may not see this: it needs the token that --token-env names",
            )
        allowed = ", ".join(self.client.surfaces)
        raise HttpError(
            403, "forbidden", f"client {self.name} may use {allowed} only (surfaces in [clients])"
        )


OPERATOR: Final = Caller()


class Access:
    """The tokens. `token`: of whoever runs the server, "" for none.

    `host`: that the server listens on: where there are no tokens at all, only loopback is open.
    """

    def __init__(self, settings: Settings, token: str, host: str) -> None:
        self._settings = settings
        self._is_open = not token and is_loopback(host)
        self._key = secrets.token_bytes(16)
        self._operator = self._hash(token) if token else b""
        self._catalog: Catalog | None = None
        self._clients: Mapping[bytes, Caller] = {}

    def caller(self, headers: Mapping[str, str], catalog: Catalog | None) -> Caller:
        """Who sends a request. Raises `HttpError`. `catalog`: `None` while it is broken."""
        if catalog is not None and catalog is not self._catalog:
            known = tokens(self._settings, catalog).items()
            self._clients = {self._hash(t): Caller(c.name, c) for t, c in known}
            self._catalog = catalog
        if self._is_open and not (self._catalog and self._catalog.clients):
            return OPERATOR
        given = [self._hash(token) for token in _tokens(headers)]
        for hashed in given:
            if self._operator and hmac.compare_digest(hashed, self._operator):
                return OPERATOR
            # Looked up by a keyed hash: how long that takes says nothing about a token.
            if found := self._clients.get(hashed):
                return found
        wrong = "this token is not known" if given else "a token is missing"
        raise HttpError(
            401,
            "invalid_api_key",
            f"{wrong}: send it as Authorization: Bearer TOKEN, or as x-api-key. It is that of a "
            "client in [clients] of the server's manifest, or of the variable after --token-env",
        )

    def _hash(self, token: str) -> bytes:
        return blake2b(token.encode(), key=self._key, digest_size=32).digest()


def _tokens(headers: Mapping[str, str]) -> list[str]:
    """Those that a request carries; browsers send theirs as the password of a Basic login."""
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    credentials = credentials.strip()
    if scheme.lower() == "basic":
        try:
            decoded = base64.b64decode(credentials, validate=True).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            decoded = ""
        credentials = decoded.partition(":")[2]
    elif scheme.lower() != "bearer":
        credentials = ""
    return [token for token in (credentials, headers.get("x-api-key", "").strip()) if token]


class Origins:
    """Keeps pages of other sites from using a server on loopback through the browser.

    `host`: as the server was told to listen on. Such a page has a foreign origin, or, after DNS
    rebinding, a foreign host.
    """

    def __init__(self, host: str) -> None:
        self._guarded = is_loopback(host)
        self._names = {"127.0.0.1", "localhost", "::1", host.lower()}

    def check(self, headers: Mapping[str, str]) -> None:
        """Raises `HttpError`."""
        if not self._guarded:
            return
        host = headers.get("host", "")
        if _name(host) not in self._names:
            raise HttpError(
                421,
                "invalid_host",
                f"host {host[:80]!r}: a server on loopback answers as 127.0.0.1 or localhost only",
            )
        origin = headers.get("origin")
        if origin is not None and not self._is_ours(origin):
            raise HttpError(403, "invalid_origin", "pages of other origins may not use this server")

    def _is_ours(self, origin: str) -> bool:
        scheme, separator, host = origin.partition("://")
        return bool(separator) and scheme == "http" and _name(host) in self._names


def _name(host: str) -> str:
    """A host without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()
