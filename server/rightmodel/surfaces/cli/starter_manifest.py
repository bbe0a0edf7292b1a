"""The manifest that `rightmodel init` writes: `starter.toml` with the answers filled in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from decimal import Decimal

_SECRETS: Final = r"""
[[rules]]
name = "secrets stay here"
when = { matches = '(?i)\b(password|passphrase|api[ _-]?key|secret key|private key)\b' }
require = { trust = "local" }"""
_LOCAL_FIRST: Final = """
[[rules]]
name = "easy work stays local"
when = { difficulty = ["easy", "medium"] }
use = """


@dataclass(frozen=True, slots=True)
class Choices:
    """What `init` found and was told.

    `baseline`: the agent's own model, "" unknown; then `suggestion` is shown in a comment.
    `per_day_usd`: `None` for no limit. `providers`: what is connected now. `local`: those of them
    that run on this machine.
    """

    baseline: str
    suggestion: str
    per_day_usd: Decimal | None
    local_first: bool
    providers: Sequence[str]
    local: Sequence[str]


def starter_manifest(choices: Choices) -> str:
    """The text of the manifest."""
    secrets, local_first = (
        _SECRETS,
        _LOCAL_FIRST + _array(f"{n}/*" for n in choices.local or ["ollama"]),
    )
    if not choices.local:
        secrets = (
            " Uncomment this\n# rule when a local server (Ollama, LM Studio, llama.cpp, vLLM) is "
            "there to take them." + _commented(secrets)
        )
    if choices.local_first:
        local_first = "# Other models take over when the local one fails." + local_first
    else:
        local_first = (
            "# Without this rule a local model takes what it is likely to do well; with it, all\n"
            "# easy work goes there first." + _commented(local_first)
        )
    baseline = f"baseline = {json.dumps(choices.baseline)}"
    if not choices.baseline:
        baseline = f"# baseline = {json.dumps(choices.suggestion)}"
    most = choices.per_day_usd
    text = Path(__file__).with_name("starter.toml").read_text(encoding="utf-8")
    return Template(text).substitute(
        baseline=baseline,
        providers=_array(choices.providers),
        per_day_usd="# per_day_usd = 5" if most is None else f"per_day_usd = {most:f}",
        secrets=secrets,
        local_first=local_first,
    )


def _array(values: Iterable[str]) -> str:
    return json.dumps(list(values))


def _commented(lines: str) -> str:
    return lines.replace("\n", "\n# ")
