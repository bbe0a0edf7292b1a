"""The user's rules: in order, first match wins. Deterministic, explainable, free."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from rightmodel.core.task import Trust

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rightmodel.core.task import Attachment, Task
    from rightmodel.manifest.catalog import Condition, Rule


def match(
    rules: Sequence[Rule], task: Task, *, tier: str, input_tokens: int, skill: str, difficulty: str
) -> Rule | None:
    """The first rule all of whose conditions hold.

    `skill` and `difficulty` are what is known so far: the caller's hints, or the assessment's.
    """
    return next(
        (
            rule
            for rule in rules
            if _sent_holds(rule, task)
            and _size_holds(rule.when, input_tokens)
            and (not rule.when.tier or tier in rule.when.tier)
            and (not rule.when.skill or skill in rule.when.skill)
            and (not rule.when.difficulty or difficulty in rule.when.difficulty)
        ),
        None,
    )


def strictest_trust(rules: Sequence[Rule], task: Task, input_tokens: int) -> Trust:
    """The highest trust that a rule requires which may yet turn out to apply."""
    asked = (
        rule.trust
        for rule in rules
        if rule.trust is not None
        and _sent_holds(rule, task)
        and _size_holds(rule.when, input_tokens)
    )
    return max(asked, default=Trust.any)


def ask_for_assessment(rules: Sequence[Rule], task: Task) -> bool:
    """Whether a rule's outcome hangs on a skill or difficulty that the caller did not state."""
    return any(
        (rule.when.skill and not task.skill) or (rule.when.difficulty and not task.difficulty)
        for rule in rules
    )


def _sent_holds(rule: Rule, task: Task) -> bool:
    """Whether the conditions on texts and files hold.

    A rule that requires something looks at all that is sent, text files too: a secret does not
    become less of one by being said a turn earlier. Any other rule looks at the prompt.
    """
    texts, files = [task.prompt], task.files
    if rule.trust is not None or rule.features:
        texts += [task.system, *(turn.text for turn in task.history)]
        files = tuple(file for turn in task.turns for file in turn.files)
        if rule.when.matches or rule.when.contains:
            texts += [f.data.decode("utf-8", "replace") for f in files if f.modality == "text"]
    return _text_holds(rule.when, texts) and _attachments_hold(rule.when, files)


def _text_holds(when: Condition, texts: Sequence[str]) -> bool:
    if when.matches is not None and not any(map(when.matches.search, texts)):
        return False
    if not when.contains:
        return True
    folded = "\n".join(texts).casefold()
    return any(word in folded for word in when.contains)


def _size_holds(when: Condition, input_tokens: int) -> bool:
    if when.min_input_tokens is not None and input_tokens < when.min_input_tokens:
        return False
    return when.max_input_tokens is None or input_tokens <= when.max_input_tokens


def _attachments_hold(when: Condition, files: Sequence[Attachment]) -> bool:
    if when.files and not any(
        fnmatchcase(file.path.rpartition("/")[2], pattern) or fnmatchcase(file.path, pattern)
        for file in files
        for pattern in when.files
    ):
        return False
    return (
        not when.input
        or any(file.modality in when.input for file in files)
        or (when.input == {"text"} and not files)
    )
