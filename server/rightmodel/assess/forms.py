"""Requests recognised by their verb together with its object: which form reads which verb.

A form returns a `Found` or `None`; `None` is the usual answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rightmodel.assess import given, making, working

if TYPE_CHECKING:
    from collections.abc import Callable

    from rightmodel.assess.clauses import Clause, Context
    from rightmodel.assess.found import Found

    Form = Callable[[Clause, Context], "Found | None"]

FORMS: Final[dict[str, Form]] = {
    form.__name__: form
    for form in (
        *(making.make, given.translate, given.render, given.summarize, given.shorten),
        *(given.extract, given.gather, given.classify, given.score, given.sort, given.rewrite),
        *(given.reply, working.calculate, working.solve, working.prove, working.debug),
        *(working.fix, working.review, working.explain, working.research, working.argue),
        *(working.decide, working.add, working.act),
    )
}
