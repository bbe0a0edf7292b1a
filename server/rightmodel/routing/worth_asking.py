"""Whether the judge is worth its price. Pure.

Asking is pointless where one model wins under every plausible reading. Otherwise the value of
knowing the reading is the expected total cost of the model that is best on average, less that of
the model that is best under each reading (the expected value of perfect information). A judge
brings a part of it: much of what the skill hides, little of what the difficulty hides.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import groupby
from math import inf
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from rightmodel.routing.readings import CERTAIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rightmodel.core.decision import Assessment
    from rightmodel.routing.decide import Outlook

SKILL_SHARE: Final = 0.7
"""Share of the value of knowing the skill that a judge brings: it is not always right."""
DIFFICULTY_SHARE: Final = 0.1
"""The same for the difficulty, which a text says little about, whoever reads it."""
CEILING_SHARE: Final = Decimal("0.1")
"""The judge may cost at most this share of max_cost_usd."""


def reason_not_to_ask(
    assessment: Assessment,
    outlook: Outlook,
    *,
    price_usd: Decimal | None,
    ceiling_usd: Decimal | None,
    always: bool,
) -> str:
    """Why the judge is not asked, "" where it is.

    `price_usd`: of the judge's call, `None` where unknown. `ceiling_usd`: over the whole call.
    `always`: ask whatever it is worth (`assess = "judge"`).
    """
    if assessment.confidence >= CERTAIN and assessment.difficulty_confidence >= CERTAIN:
        return "judge not asked: skill and difficulty are stated"
    if ceiling_usd is not None and (price_usd is None or price_usd > ceiling_usd * CEILING_SHARE):
        return "judge not asked: max_cost_usd cannot cover the judge's call"
    if always:
        return ""
    if len({model for _, model in outlook.winners()}) <= 1:
        return "judge not asked: every plausible reading leads to one model"
    if price_usd is None or value_of_asking(outlook) <= float(price_usd):
        return "judge not asked: it would cost more than it could save"
    return ""


def value_of_asking(outlook: Outlook) -> float:
    """USD that the judge's answer is expected to save."""
    known = skill_known = 0.0
    for _, group in groupby(outlook.readings, key=attrgetter("skills")):
        sums = [0.0] * len(outlook.positions)
        for reading in group:
            totals = outlook.totals_under(reading)
            known += reading.share * _least(totals)
            sums = [s + reading.share * total for s, total in zip(sums, totals, strict=True)]
        skill_known += _least(sums)
    blind = _least(outlook.totals)
    return SKILL_SHARE * (blind - skill_known) + DIFFICULTY_SHARE * (skill_known - known)


def _least(totals: Sequence[float]) -> float:
    least = min(totals, default=inf)
    return 0.0 if least == inf else least
