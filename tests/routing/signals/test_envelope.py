from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightmodel.routing.signals.layout import Opened, unwrap

TASK = "Translate the release notes into Spanish"


def opened(prompt: str, *, framed: bool = True) -> Opened:
    return unwrap(prompt, lambda _: framed)


LAYOUTS = {
    "tags": f"<context>Part of a release.</context>\n<task>{TASK}</task>\n<format>text</format>",
    "tags with a hyphen": f"<sub-task>\n{TASK}\n</sub-task>",
    "a lead and tags": f"Follow the brief.\n<instructions>{TASK}</instructions>",
    "headings": f"## Background\nWeekly release.\n\n## Task\n{TASK}\n\n## Output\nOne text",
    "bold headings": f"**Task:** {TASK}\n**Constraints:** keep names",
    "labels": f"Goal: {TASK}\nConstraints: keep product names\nOutput: plain text",
    "labels in a list": f"- Task: {TASK}\n- Tone: friendly",
    "German labels": f"Aufgabe: {TASK}\nVorgaben: Namen behalten\nAusgabe: Text",
    "Chinese labels": f"任务：{TASK}\n输出：纯文本",
    "Japanese brackets": f"【背景】毎週のリリース\n【タスク】{TASK}",
    "Arabic labels": f"المهمة: {TASK}\nالقيود: احتفظ بالأسماء",
    "Hindi labels": f"कार्य: {TASK}\nआउटपुट: पाठ",
    "Korean labels": f"작업: {TASK}\n출력: 텍스트",
    "Turkish labels": f"Görev: {TASK}\nÇıktı: metin",
    "Russian headings": f"# Контекст\nЕженедельный выпуск.\n# Задача\n{TASK}",
    "a sub-agent's header": f"[Subagent Context] depth 1/2, no polling.\n\n[Subagent Task]: {TASK}",
    "ruled": f"--- task ---\n{TASK}\n--- notes ---\nnone",
    "header lines": f"Priority: high\nFrom: orchestrator\n\n{TASK}",
    "JSON": json.dumps({"id": 7, "role": "worker", "task": TASK, "output": "text"}),
    "JSON in a fence": "```json\n" + json.dumps({"instruction": TASK}, indent=2) + "\n```",
    "JSON inside JSON": json.dumps({"payload": {"request": TASK}, "priority": "low"}),
    "JSON messages": json.dumps(
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": TASK}]
    ),
    "a layout in JSON": json.dumps({"prompt": f"Goal: {TASK}\nOutput: text"}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_task_is_taken_out_of_its_layout(layout: str) -> None:
    assert opened(LAYOUTS[layout]).text == TASK


def test_what_a_layout_says_about_the_task_becomes_context() -> None:
    assert "Part of a release." in opened(LAYOUTS["tags"]).context
    assert "keep product names" in opened(LAYOUTS["labels"]).context


@pytest.mark.parametrize(
    "prompt",
    [
        "Rewrite this prompt so that it is shorter: <task>Summarize the text</task>",
        "Improve these instructions:\n\n## Task\nSummarize the text\n## Output\nA list",
        "Why does this payload fail?\nTask: none\nOutput: none",
    ],
)
def test_a_layout_that_is_the_object_of_the_work_stays_closed(prompt: str) -> None:
    assert opened(prompt, framed=False) == Opened(prompt, "")


@pytest.mark.parametrize(
    "prompt",
    [
        'Extract the names: {"task": "call Ana"}',
        '{"name": "Ana", "age": 31}',
        '{"task": ""}',
        "<task></task>",
        "Note: the ferry is late",
        "http://example.org: what is it?",
        "def task():\n    return 1",
        "Dear Ana:\nsee you on Monday",
        TASK,
        "",
    ],
)
def test_a_prompt_without_a_layout_is_left_as_it_is(prompt: str) -> None:
    assert opened(prompt).text == prompt


@given(st.text(alphabet=st.sampled_from('{}[]<>/#*:"tasknoe \n'), max_size=300))
def test_any_text_can_be_opened(prompt: str) -> None:
    assert opened(prompt).text or not prompt.strip()


@pytest.mark.parametrize(
    "unit", ["<task>", "{", "[", "## Task\n", "Task: ", "**a", "---", "<a><b>"]
)
def test_layouts_without_end_are_read_in_time(unit: str) -> None:
    # Nothing is asserted of the time: what backtracks would not come back within the suite's limit.
    for count in (100, 3_000):
        opened(unit * count)
        opened(unit * count + "\n" + TASK)
