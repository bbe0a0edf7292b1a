"""The listening socket: opened, refused, opened again on the same port; plain or with TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from rightmodel.simulator.connection import Connection

HOST: Final = "127.0.0.1"
BACKLOG: Final = 1024
TLS: Final = {"": "http", "self-signed": "https", "plain": "https"}
"""Forms of TLS, and the scheme that the address has."""


class Listener:
    """Accepts connections on one loopback port and knows those that are open."""

    def __init__(
        self,
        connection: Callable[[asyncio.Event, set[Connection]], Connection],
        *,
        port: int,
        tls: str,
    ) -> None:
        if tls not in TLS:
            raise ValueError(f"tls={tls!r}; known: {', '.join(map(repr, TLS))}")
        self.port = port
        self.scheme = TLS[tls]
        self._context = _self_signed_context() if tls == "self-signed" else None
        self._make = connection
        self._server: asyncio.Server | None = None
        self._reserved: socket.socket | None = None
        self._opening: asyncio.Task[None] | None = None
        self._open: set[Connection] = set()
        self._stopped = asyncio.Event()

    async def start(self) -> None:
        """Open the port."""
        bound = self._bound()
        self.port = bound.getsockname()[1]
        await self._listen(bound)

    async def stop(self) -> None:
        """Close the port, end what stalls, drop every connection."""
        self._stopped.set()
        if self._opening is not None:
            await self._opening
        if self._server is not None:
            self._server.close()
        if self._reserved is not None:
            self._reserved.close()
        open_now = list(self._open)
        self.drop_connections()
        await asyncio.gather(*(c.lost for c in open_now), *(c.ended() for c in open_now))

    def refuse(self) -> None:
        """Close the port, so that connecting is refused; it stays reserved. Drops connections."""
        if self._server is None or self._reserved is not None:
            return
        self._server.close()
        self._server = None
        self.drop_connections()
        self._reserved = self._bound()  # bound but not listening: the kernel refuses

    def accept(self) -> None:
        """Open the port again."""
        if self._reserved is None:
            return
        bound, self._reserved = self._reserved, None
        bound.listen(BACKLOG)  # at once: whoever connects from here on waits to be accepted
        self._opening = asyncio.get_running_loop().create_task(self._listen(bound))

    def drop_connections(self) -> None:
        """Reset every open connection."""
        for connection in list(self._open):
            connection.reset()

    def _bound(self) -> socket.socket:
        """A socket that names its protocol: only then does asyncio set TCP_NODELAY."""
        bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((HOST, self.port))
        except OSError:
            bound.close()
            raise
        bound.setblocking(False)  # noqa: FBT003 - the socket's own signature
        return bound

    async def _listen(self, bound: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: self._make(self._stopped, self._open),
            sock=bound,
            backlog=BACKLOG,
            ssl=self._context,
        )


def _self_signed_context() -> ssl.SSLContext:
    """A server context with a fresh self-signed certificate for 127.0.0.1 and localhost.

    Needs the `cryptography` package, which mcp brings along. Raises `RuntimeError` without it.
    """
    key, certificate = _certificate()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "simulated.pem"
        path.write_bytes(key + certificate)
        context.load_cert_chain(path)
    return context


def _certificate() -> tuple[bytes, bytes]:
    try:
        from cryptography import x509  # noqa: PLC0415 - optional, and only this form needs it
        from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    except ImportError as error:
        raise RuntimeError(
            "tls='self-signed' needs the package cryptography; tls='plain' does without"
        ) from error

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "simulated provider")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private, certificate.public_bytes(serialization.Encoding.PEM)
