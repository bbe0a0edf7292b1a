"""Is a value valid against a schema? A schema's patterns are matched in a process of their own.

`re` matches without letting anything else run, a thread included, and `^(a+)+$` may take it years
over forty letters. Only a process can be ended: a schema with patterns is held against the answer
in one, for `PATIENCE_S` at most, and what was not shown to match by then counts as a mismatch.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from jsonschema import validators
from referencing import Registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jsonschema.protocols import Validator

PATIENCE_S: Final = 5.0
"""Starting the process is a tenth of it on a busy machine."""


def mismatch(schema: str, value: Any) -> str:
    """The first thing wrong with a value, "" for nothing. `schema`: as JSON."""
    wrong = next(iter(_validator(schema).iter_errors(value)), None)
    if wrong is None:
        return ""
    where = wrong.json_path if wrong.json_path != "$" else "the answer"
    return f"{where}: {wrong.message}"


@lru_cache(maxsize=64)
def _validator(schema: str) -> Validator:
    parsed = json.loads(schema)
    return validators.validator_for(parsed)(parsed, registry=Registry())


def has_patterns(schema: Mapping[str, Any]) -> bool:
    """Whether there is a regular expression in it; data that looks like one does no harm."""
    left: list[Any] = [schema]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            if isinstance(part.get("pattern"), str) or "patternProperties" in part:
                return True
            left += part.values()
        elif isinstance(part, list):
            left += part
    return False


def mismatch_in_time(schema: Mapping[str, Any], text: str) -> str:
    """`mismatch` of the JSON in a text, found out by a process that is ended when it takes long."""
    asked = json.dumps([json.dumps(schema), text])
    command = [sys.executable, "-P", "-m", __name__]
    try:
        done = subprocess.run(  # noqa: S603 - this module
            command, input=asked.encode(), capture_output=True, timeout=PATIENCE_S, check=True
        )
        return str(json.loads(done.stdout))
    except subprocess.TimeoutExpired:
        return (
            f"not shown to match within {PATIENCE_S:.0f} s: a pattern of the schema backtracks; "
            "simplify it"
        )
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        return f"could not be held against the schema's patterns: {type(error).__name__}"


if __name__ == "__main__":
    _schema, _text = json.loads(sys.stdin.buffer.read())
    sys.stdout.write(json.dumps(mismatch(_schema, json.loads(_text))))
