from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rightmodel.core.decision import Assessment, Requirements
from rightmodel.core.errors import ExhaustedError, ProviderError
from rightmodel.core.fault import Fault, Scope
from rightmodel.core.task import Task
from rightmodel.execution.engine import build
from rightmodel.execution.health import Health
from rightmodel.manifest.load import load_catalog
from rightmodel.manifest.settings import Settings
from rightmodel.routing.decide import decide
from rightmodel.routing.scoring import Question
from rightmodel.surfaces.choosing import cooling_down, fit_first

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = """
version = 1
[providers.p]
protocol = "openai-chat"
base_url = "http://127.0.0.1:9/v1"
[providers.q]
protocol = "openai-chat"
base_url = "http://127.0.0.1:8/v1"
[[models]]
id = "p/m"
cost = { input = 1, output = 2 }
skills = { general = 8 }
[[models]]
id = "q/m"
cost = { input = 2, output = 4 }
skills = { general = 8 }
"""


def test_a_cooling_model_is_ranked_last_with_its_remaining_cooldown(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(MANIFEST)
    catalog = load_catalog(tmp_path / "m.toml", has_key=lambda _: True)
    health = Health(lambda: 0.0, lambda: 0.5)
    kind = Assessment((("general", 1.0),), 5.0, "hint")
    decision = decide(catalog, Question(kind, Requirements(10, 10), "balanced"))
    assert fit_first(decision, cooling_down(decision, catalog, health)) is decision

    endpoint = catalog.models["p/m"].endpoints[0]
    ticket = health.begin(endpoint)
    health.fail(endpoint, ProviderError(Fault.AUTH, "no", scope=Scope.KEY), ticket)
    cooling = cooling_down(decision, catalog, health)
    now = fit_first(decision, cooling)
    assert cooling == {"p/m": "cooling down for 600 s after auth_failed"}
    assert [c.model for c in now.candidates] == ["q/m", "p/m"]
    assert now.reason == "next in line: p/m is cooling down for 600 s after auth_failed"


async def test_an_unreachable_provider_is_not_tried_model_by_model(tmp_path: Path) -> None:
    models = "".join(
        f'[[models]]\nid = "p/m{n}"\ncost = {{ input = 1, output = 2 }}\n' for n in range(12)
    )
    path = tmp_path / "m.toml"
    path.write_text(
        'version = 1\n[providers.p]\nprotocol = "openai-chat"\n'
        f'base_url = "http://127.0.0.1:9/v1"\n{models}'
    )

    settings = Settings(path, {"RIGHTMODEL_STATE_DIR": str(tmp_path)})
    engine = build(settings, load_catalog(path, has_key=lambda _: True))
    try:
        with pytest.raises(ExhaustedError) as caught:
            await engine.executor.complete(Task("hi"), deadline_s=5.0)
    finally:
        await engine.close()
    attempts = caught.value.attempts
    assert len({attempt.model for attempt in attempts}) == 1
    assert len(attempts) <= 3
