"""What the HTTP server shows: the decision alone, metrics, the usage page, the models."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

import pytest

from rightmodel.simulator import Behaviour, SimulatedProvider, fault
from surfaces.http.gateway import KEY, Gateway, gateway, manifest
from surfaces.http.test_access import ALICE, CLIENTS, ENV, OPERATOR, bearer
from surfaces.http.test_turns import BODIES, ONCE

if TYPE_CHECKING:
    from pathlib import Path

LINE = re.compile(
    r'# (?:HELP|TYPE) \w+ .+|\w+(?:\{\w+="[^"\n]*"(?:,\w+="[^"\n]*")*\})? [-+.\dein]+'
)


def figures(text: str) -> dict[str, float]:
    assert all(LINE.fullmatch(line) for line in text.splitlines()), text
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


async def written(gw: Gateway) -> None:
    """Until the ledger holds every call that ended."""
    engine = await gw.app.engine()
    await engine.learning._ledger.read(lambda _: None)


@pytest.mark.parametrize("dialect", [*BODIES, "prompt"])
async def test_a_route_is_the_decision_without_a_call(tmp_path: Path, dialect: str) -> None:
    async with (
        SimulatedProvider("openai-chat", key=KEY, models={"m": Behaviour()}) as up,
        gateway(tmp_path, manifest({"p": up})) as gw,
    ):
        known: dict[str, Any] = {"prompt": "hi", "tier": "best", "limit": 1}
        body = known if dialect == "prompt" else BODIES[dialect][1]
        shown = (await gw.post("/v1/route", body)).json()
        assert shown["model"] == "p/m"
        assert shown["candidates"][0]["provider"] == "p"
        assert shown["reason"]
        assert shown["tier"] == ("best" if dialect == "prompt" else "balanced")
        assert up.requests == []


@pytest.mark.parametrize(
    ("body", "teaches"),
    [
        ({}, "send {"),
        ({"prompt": ""}, "task is empty"),
        ({"prompt": "x", "tier": "bset"}, "best"),
        ({"prompt": 5}, "prompt: a string is required, not 5"),
        ({"prompt": None}, "prompt: a string is required"),
        ({"prompt": {"id": "p"}}, "prompt: a string is required"),
        ({"prompt": "x", "model": 5}, "model: a string is required, not 5"),
        ({"prompt": "x", "judge": "no"}, "judge: true or false is required"),
        ({"prompt": "x", "tier": 5}, "unknown tier"),
        ({"prompt": "x", "skill": {}}, "skill must be a string"),
        ({"prompt": "x", "difficulty": True}, "difficulty must be a string"),
        ({"prompt": "x", "files": {}}, "files must be a list of paths"),
        ({"prompt": "x", "limit": "many"}, "limit must be a whole number"),
        ({"prompt": "x", "max_cost_usd": []}, "max_cost_usd must be an amount"),
        ({"prompt": "x", "limt": 1}, "Did you mean"),
        ({"messages": "hi"}, "send {"),
        ({"messages": []}, "at least one message"),
        ({"prompt": "x", "model": "p/mm"}, "no attempt"),
        ({"prompt": "x", "model": "nobody"}, "auto:cheap"),
        ({"messages": [{"role": "user", "content": "hi"}], "model": "nobody"}, "auto:cheap"),
    ],
)
async def test_a_route_that_cannot_be_found_says_why(
    tmp_path: Path, body: dict[str, Any], teaches: str
) -> None:
    async with (
        SimulatedProvider("openai-chat", key=KEY, models={"m": Behaviour()}) as up,
        gateway(tmp_path, manifest({"p": up})) as gw,
    ):
        answer = await gw.post("/v1/route", body)
        if teaches == "no attempt":  # a name that the connected provider may know
            assert answer.json()["model"] == "p/mm"
        else:
            assert 400 <= answer.status_code < 500
            assert teaches in answer.json()["error"]["message"]


async def test_metrics_count_what_the_ledger_records(tmp_path: Path) -> None:
    models = {"m": Behaviour(), "n": Behaviour()}
    async with (
        SimulatedProvider("openai-chat", key=KEY, models=models) as up,
        gateway(tmp_path, manifest({"p": up}, extra=ONCE)) as gw,
    ):
        path, body = BODIES["openai-chat"]
        for model in ("p/m", "p/m", "p/n"):
            if model == "p/n":
                up.fail("n", fault.status(500))
            await gw.post(path, {**body, "model": model})
        answer = await gw.http.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        found = figures(answer.text)
        m, n = 'provider="p",model="p/m"', 'provider="p",model="p/n"'
        called = 'rightmodel_calls_total{client="http",model='
        assert found[f'{called}"p/m",outcome="answered"}}'] == 2
        assert found[f'{called}"",outcome="all_attempts_failed"}}'] == 1
        assert found[f'rightmodel_attempts_total{{{m},role="answer"}}'] == 2
        assert found[f'rightmodel_failures_total{{{n},fault="server_error"}}'] == 1
        assert found[f'rightmodel_tokens_total{{{m},kind="input"}}'] > 0
        assert found[f'rightmodel_cost_usd_total{{{m},client="http"}}'] > 0
        assert found[f"rightmodel_breaker_open{{{m}}}"] == 0
        assert found[f"rightmodel_breaker_open{{{n}}}"] == 1
        assert found["rightmodel_call_seconds_count"] == 3
        assert found["rightmodel_added_seconds_count"] == 2
        assert found['rightmodel_added_seconds_bucket{le="+Inf"}'] == 2


async def test_the_usage_page_is_live_and_behind_the_operators_token(tmp_path: Path) -> None:
    async with (
        SimulatedProvider("openai-chat", key=KEY, models={"m": Behaviour()}) as up,
        gateway(tmp_path, manifest({"p": up}, models=CLIENTS), token=OPERATOR, env=ENV) as gw,
    ):
        path, body = BODIES["openai-chat"]
        assert (await gw.http.post(path, json=body, headers=bearer(ALICE))).status_code == 200
        await written(gw)
        login = base64.b64encode(f"me:{OPERATOR}".encode()).decode()
        for page in ("/", "/metrics"):
            asked = await gw.http.get(page)
            assert asked.status_code == 401
            assert asked.headers["www-authenticate"].startswith("Basic ")
            assert (await gw.http.get(page, headers=bearer(ALICE))).status_code == 403
            shown = await gw.http.get(page, headers={"authorization": f"Basic {login}"})
            assert shown.status_code == 200
            assert "alice" in shown.text
        assert (await gw.http.get("/", headers=bearer(OPERATOR))).headers["refresh"] == "10"


async def test_the_usage_page_names_the_endpoints_that_are_out_and_until_when(
    tmp_path: Path,
) -> None:
    models = {"m": Behaviour(), "n": Behaviour()}
    async with (
        SimulatedProvider("openai-chat", key=KEY, models=models) as up,
        gateway(tmp_path, manifest({"p": up}, extra=ONCE)) as gw,
    ):
        path, body = BODIES["openai-chat"]
        up.fail("n", fault.status(500))
        await gw.post(path, {**body, "model": "p/n"})
        await written(gw)
        shown = (await gw.http.get("/")).text.replace("<wbr>", "")
    out, faults = (shown.partition(f"<h2>{t}</h2>")[2] for t in ("Out now", "Faults"))
    row = r'<th scope="row">p/n</th><td>p</td><td>server_error</td><td>in [\d.]+\ss</td>'
    assert re.search(row, out)
    assert 'scope="row">p/m<' not in out.partition("</section>")[0]
    assert "the provider has a fault: try again later" in faults


async def test_the_list_of_models_has_both_shapes(tmp_path: Path) -> None:
    async with SimulatedProvider("openai-chat", key=KEY, models={"m": Behaviour()}) as up:
        text = manifest({"p": up}).replace('id = "p/m"\n', 'id = "p/m"\naliases = ["mine"]\n')
        async with gateway(tmp_path, text) as gw:
            listed = (await gw.http.get("/v1/models")).json()
            names = ["auto", "auto:cheap", "auto:balanced", "auto:best", "p/m", "mine"]
            assert [model["id"] for model in listed["data"]] == names
            model = listed["data"][-2]
            assert model["pricing"] == {"input": "1", "output": "2"}
            assert model["context_window"] == 200_000
            version = {"anthropic-version": "2023-06-01"}
            listed = (await gw.http.get("/v1/models", headers=version)).json()
            assert [model["type"] for model in listed["data"]] == ["model"] * 6
            assert (listed["first_id"], listed["last_id"]) == ("auto", "mine")
            for name in ("mine", "p/m", "p%2Fm"):
                one = await gw.http.get(f"/v1/models/{name}")
                assert one.status_code == 200
            assert (await gw.http.get("/v1/models/no")).status_code == 404
            shipped = await gw.http.get("/v1/models/claude-opus-4-8")
            assert "not connected: set ANTHROPIC_API_KEY" in shipped.text
