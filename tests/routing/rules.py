"""Models and a router for the tests of rules."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from engines import catalog_from
from rightmodel.core.decision import Assessment
from rightmodel.core.task import Attachment, Task
from rightmodel.routing.router import Router

if TYPE_CHECKING:
    from pathlib import Path

    from rightmodel.core.decision import Decision
    from rightmodel.manifest.catalog import Catalog

MODELS = """
version = 1
[routing]
assess = "{assess}"
[providers.far]
protocol = "openai-chat"
base_url = "https://api.far.example/v1"
[providers.near]
protocol = "openai-chat"
base_url = "http://127.0.0.1:8/v1"
trust = "local"
[[models]]
id = "far/a"
cost = {{ input = 0.1, output = 0.4 }}
limits = {{ context = 200000, output = 30000 }}
skills = {{ general = 8, classify = 8 }}
features = ["tools"]
[[models]]
id = "far/b"
cost = {{ input = 3, output = 9 }}
limits = {{ context = 200000, output = 30000 }}
skills = {{ general = 9 }}
[[models]]
id = "near/c"
cost = {{ input = 0, output = 0 }}
limits = {{ context = 200000, output = 30000 }}
skills = {{ general = 4 }}
[skills.legal_de]
description = "German legal text"
"""
SECRET = """
[[rules]]
name = "secrets stay here"
when = { contains = ["hunter2"] }
require = { trust = "local" }
"""
CODE = Assessment((("code", 1.0),), 5.0, "learned", confidence=0.9, difficulty_confidence=0.5)


def catalog_of(tmp_path: Path, rules: str, assess: str = "learned") -> Catalog:
    return catalog_from(tmp_path, MODELS.format(assess=assess) + rules)


def route(tmp_path: Path, rules: str, task: Task, inferred: Assessment = CODE) -> Decision:
    router = Router(catalog_of(tmp_path, rules), lambda _: "", assess=lambda *_: inferred)
    return asyncio.run(router.route(task))


def used(tmp_path: Path, rules: str, task: Task, inferred: Assessment = CODE) -> list[str]:
    return [c.model for c in route(tmp_path, rules, task, inferred).candidates]


def text_file(name: str, data: bytes = b"plain") -> Attachment:
    return Attachment(name, "text/plain", data)
