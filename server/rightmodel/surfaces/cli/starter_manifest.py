"""The manifest that `rightmodel init` writes: answers → commented TOML."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

_SECRETS: Final = r"(?i)\b(password|passphrase|api[ _-]?key|secret key|private key)\b"


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
    return "\n".join(
        [
            "# Written by `rightmodel init`; it is yours now. `rightmodel check --no-call` finds",
            "# mistakes, `rightmodel models` shows what is in force.",
            "version = 1",
            "",
            *_baseline(choices),
            "",
            "# Connected are all providers whose key is set and all local servers that answer.",
            "# To connect only some of them, name them:",
            f"# include = {_array(choices.providers)}",
            "",
            "[budget]",
            *_budget(choices.per_day_usd),
            "",
            "[privacy]",
            "store_text = false    # true: prompts and answers are kept in the ledger",
            "",
            *_secrets(has_local=bool(choices.local)),
            "",
            *_local_first(choices),
            "",
        ]
    )


def _baseline(choices: Choices) -> list[str]:
    lines = [
        "# The model that your agent itself runs on. Savings are counted against it; none are",
        "# claimed without it.",
    ]
    if choices.baseline:
        return [*lines, f"baseline = {json.dumps(choices.baseline)}"]
    return [*lines, f"# baseline = {json.dumps(choices.suggestion)}"]


def _budget(per_day_usd: Decimal | None) -> list[str]:
    lines = ["# Calls that could exceed it are refused. A day ends at midnight UTC."]
    if per_day_usd is None:
        return [*lines, "# per_day_usd = 5"]
    return [*lines, f"per_day_usd = {per_day_usd:f}"]


def _secrets(*, has_local: bool) -> list[str]:
    rule = [
        "[[rules]]",
        'name = "secrets stay here"',
        f"when = {{ matches = '{_SECRETS}' }}",
        'require = { trust = "local" }',
    ]
    if has_local:
        return ["# Prompts that mention secrets go to models on this machine or to none.", *rule]
    return [
        "# Prompts that mention secrets go to models on this machine or to none. Uncomment this",
        "# rule when a local server (Ollama, LM Studio, llama.cpp, vLLM) is there to take them.",
        *_commented(rule),
    ]


def _local_first(choices: Choices) -> list[str]:
    patterns = [f"{name}/*" for name in choices.local or ("ollama",)]
    rule = [
        "[[rules]]",
        'name = "easy work stays local"',
        'when = { difficulty = ["easy", "medium"] }',
        f"use = {_array(patterns)}",
    ]
    if choices.local_first:
        return ["# Other models take over when the local one fails.", *rule]
    return [
        "# Without this rule a local model takes what it is likely to do well; with it, all",
        "# easy work goes there first.",
        *_commented(rule),
    ]


def _array(values: Sequence[str]) -> str:
    return json.dumps(list(values))


def _commented(lines: Sequence[str]) -> list[str]:
    return [f"# {line}" for line in lines]
