"""Environment → settings, once. Keys are looked up here and nowhere else."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rightmodel.core.errors import TaskError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.manifest.catalog import Model, Provider

_UNFILLED = re.compile(r"^\$\{.*\}$|^\$[A-Za-z_]\w*$|^\{env:.*\}$")


@dataclass(frozen=True, slots=True)
class Settings:
    """`manifest`: the user's, `None` where there is none. `environment`: never shown."""

    manifest: Path | None
    environment: Mapping[str, str] = field(repr=False)
    deadline_s: float | None = None

    def key(self, provider: Provider) -> str:
        """The provider's key, "" where it is unset or unreadable."""
        if provider.key_env:
            value = self.environment.get(provider.key_env, "").strip()
            if value and not _UNFILLED.match(value):
                return value
        if provider.key_file:
            try:
                return Path(provider.key_file).expanduser().read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError):
                return ""
        return ""

    def has_key(self, provider: Provider) -> bool:
        """Whether requests to the provider can be authorised."""
        return not provider.needs_key or bool(self.key(provider))

    def missing_key(self, provider: Provider) -> str:
        """What to do about a key that is not there; "" where none is missing."""
        if self.has_key(provider):
            return ""
        if not provider.key_env:
            return (
                f"no key for {provider.name}: {provider.key_file} is missing, empty or unreadable"
            )
        raw = self.environment.get(provider.key_env)
        state = "is not set"
        if raw is not None:
            literal = bool(_UNFILLED.match(raw.strip()))
            state = (
                f"still reads {raw.strip()!r}: the client did not fill it in"
                if literal
                else "is empty"
            )
        return f"no key for {provider.name}: {provider.key_env} {state}; set it or use --env-file"

    def missing_keys(self, model: Model) -> str:
        """Why no request to a model can be sent at all; "" if one of its endpoints has its key."""
        reasons = [self.missing_key(e.provider) for e in model.endpoints]
        return "" if "" in reasons else reasons[0]


def read_settings(
    *,
    manifest: str = "",
    env_file: str = "",
    deadline_s: float | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Look up the manifest and gather the environment; `env_file` wins over the process's own.

    Raises `TaskError` for a file that was named and is not there.
    """
    env = dict(os.environ if environment is None else environment)
    if env_file:
        env.update(read_env_file(Path(env_file)))
    return Settings(_find_manifest(manifest, env), env, deadline_s)


def read_env_file(path: Path) -> dict[str, str]:
    """`NAME=value` lines; `export`, comments and matching quotes are understood."""
    try:
        lines = path.expanduser().read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(
            f"--env-file {path}: cannot be read: {error}", argument="env-file"
        ) from error
    values = {}
    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("export ").strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        name, value = name.strip(), value.strip()
        if not equals or not re.fullmatch(r"[A-Za-z_]\w*", name):
            # The line is not quoted: it may well hold a key.
            raise TaskError(
                f"--env-file {path}, line {number}: not of the form NAME=value", argument="env-file"
            )
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
        values[name] = value[1:-1] if quoted else value
    return values


def _find_manifest(named: str, env: Mapping[str, str]) -> Path | None:
    """`--manifest`, `RIGHTMODEL_MANIFEST`, `rightmodel.toml` here, the user's configuration."""
    for source, value in (
        ("--manifest", named),
        ("RIGHTMODEL_MANIFEST", env.get("RIGHTMODEL_MANIFEST", "")),
    ):
        if value and not _UNFILLED.match(value):
            path = Path(value).expanduser()
            if not path.is_file():
                raise TaskError(f"{source} {value}: no such file", argument="manifest")
            return path
    here = Path("rightmodel.toml")
    if here.is_file():
        return here.resolve()
    usual = config_dir(env) / "manifest.toml"
    return usual if usual.is_file() else None


def config_dir(env: Mapping[str, str]) -> Path:
    """The user's configuration directory for rightmodel, by the platform's custom."""
    if sys.platform == "win32":
        return Path(env.get("APPDATA") or Path.home() / "AppData/Roaming") / "rightmodel"
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/rightmodel"
    return Path(env.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "rightmodel"
