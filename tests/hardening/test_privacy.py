"""What must stay local stays local, wherever the word stands and whoever asks for what."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from hardening.bench import Home, Provider, chat, http, model, provider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hardening.bench import Session

RULES = """
[[rules]]
name = "poems"
when = { contains = ["poem"] }
use = ["far/m"]
[[rules]]
name = "plans"
when = { matches = "(?i)bluebird" }
require = { trust = "local" }
"""
HIDDEN: dict[str, dict[str, object]] = {
    "behind an earlier rule": {"prompt": "a poem about Bluebird"},
    "system": {"prompt": "a poem", "system": "you know bluebird"},
    "file": {"prompt": "a poem", "files": ["notes.txt"]},
    "file name": {"prompt": "a poem", "files": ["bluebird.txt"]},
    "folder name": {"prompt": "a poem", "files": ["bluebird/a.txt"]},
    "schema": {"prompt": "a poem", "schema": '{"properties": {"bluebird": {}}}'},
    "escaped in the schema": {"prompt": "a poem", "schema": '{"title": "blue\\u0062ird"}'},
    "value of the schema": {"prompt": "a poem", "schema": '{"enum": ["x", "BLUEBIRD"]}'},
    "tier": {"prompt": "bluebird", "tier": "best"},
    "pin": {"prompt": "bluebird", "model": "far/m"},
    "alias": {"prompt": "bluebird", "model": "fast"},
    "order of models": {"prompt": "bluebird", "model": "far/m, near/m"},
    "a model of no manifest": {"prompt": "bluebird", "model": "far/other"},
    "invisible characters": {"prompt": "poem: blue\u200bbird"},
    "control characters": {"prompt": "poem: blue\0bird"},
    "full width": {"prompt": "poem: ｂｌｕｅｂｉｒｄ"},
    "broken text": {"prompt": "poem \ud83d bluebird"},
}


@pytest.fixture(scope="module")
def far() -> Iterator[Provider]:
    with Provider(lambda _: chat("from far")) as upstream:
        yield upstream


@pytest.fixture(scope="module", params=["rules", "judge", "broken"])
def session(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, far: Provider
) -> Iterator[Session]:
    """With and without a judge, and with a local server that fails."""
    broken = request.param == "broken"
    answer = http({"error": {"message": "no"}}, 400) if broken else chat("from here")
    judge = 'assess = "judge"\njudge = "far/m"' if request.param == "judge" else 'assess = "rules"'
    with Provider(lambda _: answer) as near:
        home = Home(
            tmp_path_factory.mktemp("m") / "m",
            f"version = 1\n[routing]\n{judge}\n"
            + provider("far", far.port, 'trust = "any"')
            + provider("near", near.port, 'trust = "local"')
            + model("far/m", "{ input = 0.1, output = 0.1 }", 9, 'aliases = ["fast"]')
            + model("near/m", "{ input = 0, output = 0 }", 3)
            + RULES,
        )
        (home.work / "bluebird").mkdir()
        for name, text in (("notes", "The BLUEBIRD"), ("bluebird", "x"), ("bluebird/a", "x")):
            (home.work / f"{name}.txt").write_text(text)
        with home.session() as opened:
            yield opened


def test_no_remote_model_sees_it(session: Session, far: Provider) -> None:
    far.requests.clear()
    for name, arguments in HIDDEN.items():
        session.call(**arguments)
        assert not far.requests, name


def test_a_conversation_that_began_with_it_stays(session: Session, far: Provider) -> None:
    far.requests.clear()
    first = session.call(prompt="remember bluebird")
    if not first.failed:
        ref = re.findall(r"ref=(\w+)", first.line)[0]
        assert session.call(prompt="now a poem", ref=ref).text == "from here"
        assert session.call(prompt="now a poem", ref=ref, model="far/m").failed
    session.call("choose_model", task="bluebird poem", model="far/m")
    assert not far.requests
