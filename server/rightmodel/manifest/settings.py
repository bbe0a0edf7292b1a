"""Environment → settings. Keys are read here and nowhere else."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from rightmodel.core.errors import ManifestError
from rightmodel.manifest.keys import is_secret_header, near_misses
from rightmodel.manifest.text_file import (
    expand_user,
    read_env_file,
    read_text,
    readable_by_everyone,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.manifest.catalog import Catalog, Model, Provider

_UNFILLED: Final = re.compile(r"\$\{.*\}|\$[A-Za-z_]\w*|\{env:.*\}|<[^<>]*>")
_ASSIGNMENT: Final = re.compile(r"(export\s+)?[A-Z][A-Z0-9_]*(KEY|TOKEN)[A-Z0-9_]*\s*=")
_SENDABLE: Final = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Settings:
    """`manifest`: the user's file, `None` without one. `environment`: never shown.

    `notes`: what a user should correct. `error`: why these settings cannot be used.
    """

    manifest: Path | None
    environment: Mapping[str, str] = field(repr=False)
    notes: tuple[str, ...] = ()
    error: ManifestError | None = None
    _misses: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def place(self) -> str:
        """Where a setting is to be written, for advice: the manifest in use, or how to get one."""
        return str(self.manifest) if self.manifest else "a manifest (`rightmodel init` writes one)"

    def key(self, provider: Provider) -> str:
        """The provider's key, "" where it has none that can be used."""
        if value := self.variable(provider.key_env):
            return value
        if not provider.key_file:
            return ""
        try:
            value = _content(provider.key_file)
        except (OSError, ValueError):
            return ""
        return "" if _unsendable(value) else value

    def variable(self, name: str) -> str:
        """The secret in a variable of the environment, "" where there is none that can be used."""
        value = self._text(name)
        return "" if _UNFILLED.fullmatch(value) or _unsendable(value) else value

    def variable_problem(self, name: str, near_miss: str = "") -> str:
        """What is wrong with a variable. `near_miss`: another one that was probably meant."""
        value = self._text(name)
        if name not in self.environment:
            state = f"is not set ({near_miss})" if near_miss else "is not set"
        elif not value:
            state = "is empty"
        elif _UNFILLED.fullmatch(value):
            state = f"still reads {value!r}: the client did not fill it in"
        else:
            return f"{name} {_unsendable(value)}"
        return f"{name} {state}; set it or use --env-file"

    def has_key(self, provider: Provider) -> bool:
        """Whether requests to the provider can be authorised."""
        return not provider.needs_key or bool(self.key(provider))

    def missing_key(self, provider: Provider) -> str:
        """What to do about a key that is missing; "" where none is."""
        return "" if self.has_key(provider) else self.no_key(provider)

    def no_key(self, provider: Provider) -> str:
        """Why requests to the provider carry no key, needed or not; "" where they carry one."""
        if self.key(provider) or not (provider.key_env or provider.key_file):
            return ""
        if provider.key_file:
            why = _file_problem(provider.key_file)
        else:
            why = self.variable_problem(provider.key_env, self.near_miss(provider))
        return f"no key for {provider.name}: {why}"

    def missing_keys(self, model: Model) -> str:
        """Why no request to a model can be sent at all; "" if one of its endpoints has its key."""
        reasons = [self.missing_key(e.provider) for e in model.endpoints]
        return "" if "" in reasons else reasons[0]

    def near_miss(self, provider: Provider) -> str:
        """Why a key that was probably meant for the provider is not taken; "" where none is."""
        if provider.name not in self._misses:  # needed for every decision
            from rightmodel.manifest.read import shipped_key_names  # noqa: PLC0415 - imports pydantic

            known = shipped_key_names()
            found = near_misses(provider.key_env, provider.name, self.environment, known)
            miss = f"{found[0]} found; {provider.key_env} is looked for" if found else ""
            if self._text(provider.key_env) and not self.key(provider):
                miss = self.variable_problem(provider.key_env)
            self._misses[provider.name] = miss
        return self._misses[provider.name]

    def secrets(self, catalog: Catalog) -> list[str]:
        """Everything that must not appear in any output: keys, tokens, headers, passwords."""
        found = {self.key(p) for p in catalog.providers.values()}
        found.update(self.variable(client.token_env) for client in catalog.clients.values())
        found.add(self.variable(catalog.alerts.webhook_env))
        for provider in catalog.providers.values():
            for name, value in provider.headers.items():
                if is_secret_header(name, value):
                    found.update({value, *re.split(r"[\s;,]+", value)})
        password = urlsplit(catalog.ledger_url).password or ""
        found.update({password, unquote(password)})
        found.add(self.environment.get("PGPASSWORD", ""))
        return sorted(found - {""}, key=len, reverse=True)

    def key_file_notes(self, catalog: Catalog) -> list[str]:
        """Key files that every user of the machine can read."""
        files = {p.key_file for p in catalog.providers.values() if p.key_file}
        return [
            f"key_file {file}: every user of this machine can read it; run chmod 600 on it"
            for file in sorted(files)
            if readable_by_everyone(expand_user(file))
        ]

    def _text(self, name: str) -> str:
        return _bare(self.environment.get(name, "")) if name else ""


class ProviderKeys(dict[str, str]):
    """Provider → its key or "". A key file that was changed is read anew for the next request.

    `secrets`: what must not appear in any output, new keys included.
    """

    def __init__(self, settings: Settings, catalog: Catalog) -> None:
        keys = {name: settings.key(p) for name, p in catalog.providers.items()}
        files = {name: p for name, p in catalog.providers.items() if p.key_file}
        super().__init__({name: key for name, key in keys.items() if name not in files})
        self.secrets = settings.secrets(catalog)
        self._settings = settings
        self._files = {name: (p, _stamp(p), keys[name]) for name, p in files.items()}

    def __missing__(self, name: str) -> str:
        provider, seen, key = self._files[name]
        if (stamp := _stamp(provider)) != seen:
            if found := self._settings.key(provider):  # else it is being written
                key = found
                if key not in self.secrets:  # written again with the same content
                    self.secrets.insert(0, key)
            self._files[name] = provider, stamp, key
        return key


def _stamp(provider: Provider) -> tuple[int, ...]:
    try:
        facts = expand_user(provider.key_file).stat()
    except OSError:
        return ()
    return facts.st_mtime_ns, facts.st_size, facts.st_ino


def _content(key_file: str) -> str:
    return _bare(read_text(expand_user(key_file)))


def _bare(text: str) -> str:
    """Without white space and one pair of quotes around it, which some launchers pass on."""
    text = text.strip()
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1].strip() if quoted else text


def _file_problem(name: str) -> str:
    try:
        value = _content(name)
    except FileNotFoundError:
        return f"key_file {name} does not exist"
    except OSError as error:
        return f"key_file {name} cannot be read: {error.strerror}"
    except ValueError:
        return f"key_file {name} is not UTF-8 text"
    return f"key_file {name} {_unsendable(value)}"


def _unsendable(key: str) -> str:
    """Why a text cannot be a key, "" where it can."""
    if not key:
        return "is empty"
    if "\n" in key or "\r" in key:
        return "contains more than one line; a key is one word"
    if _ASSIGNMENT.match(key):
        return "contains NAME=value; write the key alone, or use --env-file"
    return "" if _SENDABLE.fullmatch(key) else "contains a space or a character that no key has"


def read_settings(
    *, manifest: str = "", env_file: str = "", environment: Mapping[str, str] | None = None
) -> Settings:
    """Find the manifest and gather the environment; `env_file` wins over the process's own.

    Without `env_file`, `keys.env` in the configuration directory sets what the process's own
    environment does not: agents often start servers with an environment that has no keys. An
    `environment` that is handed in is the whole of it.

    Never raises: a server must start to be able to say what is wrong. An env file that cannot be
    read is the settings' `error`; a manifest that is missing is an error when it is loaded.
    """
    env = dict(os.environ if environment is None else environment)
    notes: tuple[str, ...] = ()
    error = None
    usual = keys_file(env)
    if env_file or (environment is None and usual.is_file()):
        try:
            read = read_env_file(Path(env_file or usual), env)
        except ManifestError as unreadable:
            error = unreadable
        else:
            set_already = {} if env_file else {k: v for k, v in env.items() if v}
            env = {**env, **read.values, **set_already}
            notes = read.notes
    return Settings(_find_manifest(manifest, env), env, notes, error)


def _find_manifest(named: str, env: Mapping[str, str]) -> Path | None:
    """`--manifest`, `RIGHTMODEL_MANIFEST`, `rightmodel.toml` here, the user's configuration."""
    for value in (named, env.get("RIGHTMODEL_MANIFEST", "").strip()):
        if value and not _UNFILLED.fullmatch(value):
            return expand_user(value)
    here = Path("rightmodel.toml")
    if here.is_file():
        return here.resolve()
    usual = config_dir(env) / "manifest.toml"
    return usual if usual.is_file() else None


def keys_file(env: Mapping[str, str]) -> Path:
    """The user's NAME=value lines with keys, whether or not the file is there."""
    return config_dir(env) / "keys.env"


def config_dir(env: Mapping[str, str]) -> Path:
    """The user's configuration directory for rightmodel, by the platform's custom."""
    if sys.platform == "win32":
        return Path(env.get("APPDATA") or Path.home() / "AppData/Roaming") / "rightmodel"
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/rightmodel"
    return Path(env.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "rightmodel"
