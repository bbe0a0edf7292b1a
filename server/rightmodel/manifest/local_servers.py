"""Servers on this machine: where they are, and the models that one lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from rightmodel.core.task import WireFormat
from rightmodel.manifest.base_url import clean_base_url, is_loopback, parse_base_url
from rightmodel.manifest.read import read_manifest, shipped_names, shipped_provider
from rightmodel.manifest.schema import Manifest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LOCAL: Final = ("ollama", "lmstudio", "llamacpp", "vllm")
"""Shipped providers that are looked for on their usual ports."""
_VARIABLES: Final = {
    "ollama": ("OLLAMA_HOST", "OLLAMA_BASE_URL", "OLLAMA_API_BASE"),
    "lmstudio": ("LMSTUDIO_BASE_URL", "LM_STUDIO_BASE_URL", "LM_STUDIO_API_BASE"),
    "llamacpp": ("LLAMA_ARG_HOST", "LLAMACPP_BASE_URL", "LLAMA_SERVER_URL"),
    "vllm": ("VLLM_BASE_URL", "VLLM_API_BASE", "HOSTED_VLLM_API_BASE"),
}
"""Variables that the servers themselves or their usual clients read, the servers' own first."""
_PORTS: Final = {"ollama": 11434, "lmstudio": 1234, "llamacpp": 8080, "vllm": 8000}
_PORT_VARIABLES: Final = {"llamacpp": "LLAMA_ARG_PORT"}


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that a server lists. `context`: tokens, `None` unknown. `features`: as in a manifest.

    `image`: whether it reads images. `loaded`: whether it is in memory, `None` unknown.
    """

    name: str
    context: int | None = None
    features: tuple[str, ...] = ()
    image: bool = False
    loaded: bool | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """What a running server lists. `on_disk`: models that it would first have to load."""

    models: tuple[ServedModel, ...]
    on_disk: bool = False


class Addresses(NamedTuple):
    """`urls`: local provider → base URL from the environment. `notes`: variables not followed."""

    urls: dict[str, str]
    notes: tuple[str, ...]


def addresses(environment: Mapping[str, str]) -> Addresses:
    """Addresses of local servers from the environment.

    Only loopback is followed: another machine is no local server, however it is named, and has to
    be written into a manifest.
    """
    urls: dict[str, str] = {}
    notes: list[str] = []
    for name in LOCAL:
        variable = next((v for v in _VARIABLES[name] if environment.get(v, "").strip()), "")
        port = environment.get(_PORT_VARIABLES.get(name, ""), "").strip()
        if not variable and not port:
            continue
        text = environment.get(variable, "").strip() or "127.0.0.1"
        try:
            url = _base_url(text, port or str(_PORTS[name]))
        except ValueError as error:
            notes.append(f"{variable or _PORT_VARIABLES[name]} is not followed: it {error}")
            continue
        if is_loopback(url):
            urls[name] = url
        else:
            notes.append(
                f"{variable} is not followed, because it names another machine; to use that "
                f'server, write a manifest: [providers.{name}] with base_url = "{url}"'
                + (" and allow_http = true" if url.startswith("http:") else "")
            )
    return Addresses(urls, tuple(notes))


def _base_url(text: str, port: str) -> str:
    """`0.0.0.0`, `:9000`, `host:9000`, `http://host:9000/v1` → a base URL. Raises `ValueError`."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "http", text
        host, slash, path = rest.partition("/")
        if ":" not in host.rpartition("]")[2]:  # `host`, `host:1` or `[::1]:1`
            host = f"{host}:{port}"
        rest = f"{host}{slash}{path}"
    if rest.startswith(":"):
        rest = f"127.0.0.1{rest}"
    for every in ("0.0.0.0", "[::]"):  # noqa: S104 - an address to listen on reaches this machine
        if rest.startswith(every):
            rest = f"127.0.0.1{rest.removeprefix(every)}"
    url = clean_base_url(f"{scheme}://{rest}")
    parse_base_url(url)
    return url if url.endswith("/v1") else f"{url}/v1"


def local_servers(path: Path | None, urls: Mapping[str, str]) -> dict[str, str]:
    """Local provider → base URL: servers that may list models.

    Of the shipped ones, those that the manifest uses; all, where it names no models. Of the user's
    own, those without a model in the manifest. `urls`: from the environment. Raises
    `ManifestError`.
    """
    user = read_manifest(path) if path else Manifest(version=1)
    found = {}
    for name in LOCAL:
        own, shipped = user.providers.get(name), shipped_provider(name)
        url = (own and own.base_url) or urls.get(name) or (shipped and shipped.base_url)
        if url and (_uses(user, name) or (user.include is None and not user.models)):
            found[name] = url
    return found | own_servers(user)


def own_servers(user: Manifest) -> dict[str, str]:
    """The user's own providers on loopback without a model in the manifest → base URL."""
    return {
        name: table.base_url
        for name, table in user.providers.items()
        if table.base_url
        and is_loopback(table.base_url)
        and table.protocol is WireFormat.OPENAI_CHAT
        and name not in shipped_names()
        and not _uses(user, name)
    }


def _uses(user: Manifest, provider: str) -> bool:
    """Whether a manifest takes models from a provider."""
    return provider in (user.include or ()) or any(
        provider == (model.provider or model.id.partition("/")[0])
        or any(e.provider == provider for e in model.endpoints or ())
        for model in user.models
    )
