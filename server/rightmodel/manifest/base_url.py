"""Base URLs of providers: parsed, never compared as text.

A prefix proves nothing about a host: `http://127.0.0.1.example.com` is a name on the internet.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from typing import Final, NamedTuple
from urllib.parse import urlsplit

_UNSAFE: Final = re.compile(r"[\x00-\x20\x7f-\xa0\\<>\"^`{}|\u2028\u2029]")
"""Characters that no URL holds, and that parsers of URLs disagree about."""
_HOST: Final = re.compile(r"[^\s%/@:?#\[\]]+|[0-9a-f:.]+", re.IGNORECASE)
_LOCAL_SUFFIXES: Final = (".local", ".lan", ".internal", ".home.arpa", ".localdomain")
_ADDED_PATHS: Final = ("/chat/completions", "/v1/messages", "/responses")
_SHARED: Final = IPv4Network("100.64.0.0/10")
"""RFC 6598: carriers and overlay networks; `ipaddress` does not call it private."""


class BaseUrl(NamedTuple):
    """The parts that decide how far a URL may be trusted. `host`: lower case, no brackets."""

    secure: bool
    host: str

    @property
    def address(self) -> IPv4Address | IPv6Address | None:
        """The host as an IP address, `None` for a name."""
        try:
            address = ip_address(self.host)
        except ValueError:
            return None
        return getattr(address, "ipv4_mapped", None) or address

    @property
    def loopback(self) -> bool:
        """Whether requests stay on this machine."""
        return self.host == "localhost" or (self.address is not None and self.address.is_loopback)

    @property
    def private(self) -> bool:
        """Whether the host is an address or a name of a private network."""
        address = self.address
        if address is None:
            return "." not in self.host or self.host.endswith(_LOCAL_SUFFIXES)
        if address.is_unspecified or address.is_link_local:
            return False
        return address.is_private or (isinstance(address, IPv4Address) and address in _SHARED)


@lru_cache(maxsize=512)
def parse_base_url(url: str) -> BaseUrl:
    """The URL's parts. Raises `ValueError` with what is wrong, never quoting a password."""
    if _UNSAFE.search(url):
        raise ValueError("must not contain spaces, line breaks, backslashes or control characters")
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in {"http", "https"}:
        raise ValueError("must start with https:// (plain http only on loopback)")
    if "@" in rest.partition("/")[0]:
        raise ValueError("must not contain a user or a password; use key_env or key_file")
    if "?" in rest or "#" in rest:
        raise ValueError("must not contain a query or a fragment")
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ValueError("has no valid host and port") from error
    if not _HOST.fullmatch(host):
        raise ValueError("has no valid host")
    return BaseUrl(scheme.lower() == "https", host)


def clean_base_url(url: str) -> str:
    """The URL as it is used: scheme in lower case, no slash at the end. Raises `ValueError`."""
    parse_base_url(url)
    scheme, _, rest = url.partition("://")
    url = f"{scheme.lower()}://{rest.rstrip('/')}"
    for path in _ADDED_PATHS:
        if url.endswith(path):
            raise ValueError(f"must not end in {path}: rightmodel adds the path of each request")
    return url


def http_problem(url: str, *, allow_http: bool) -> str:
    """Why plain http may not be used for a URL, "" where it may or where https is used."""
    parsed = parse_base_url(url)
    if parsed.secure or parsed.loopback:
        return ""
    if parsed.address is not None and parsed.address.is_unspecified:
        return f"{parsed.host} is an address to listen on; write 127.0.0.1 to reach this machine"
    if not parsed.private:
        return (
            f"must start with https:// ({parsed.host} is not on this machine: "
            "plain http would show prompts and keys to the network)"
        )
    if not allow_http:
        return (
            f"must start with https://, or write allow_http = true: {parsed.host} is in a private "
            "network, and plain http shows prompts and keys to everyone in it"
        )
    return ""


def is_loopback(url: str) -> bool:
    """Whether a base URL stays on this machine."""
    try:
        return parse_base_url(url).loopback
    except ValueError:
        return False
