"""Raw output of models, as servers without a parser for it hand it on."""

from __future__ import annotations

import time

import pytest

from rightmodel.wire.inline_reasoning import split_reasoning

HARMONY = "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final"
REASONED = {
    "think": '<think>\nMaybe {"city": "Draft"}?\n</think>\n\nRome.',
    "opened by the template": "Thinking aloud.\n</think>\n\nRome.",
    "opened by the template, on one line": "Hm.</think>Rome.",
    "twice": "<think>a</think>\n<think>b</think>\nRome.",
    "nested": "<think>a <think>b</think> c</think>Rome.",
    "empty": "<think>\n\n</think>\n\nRome.",
    "with code in it": "<think>use ``` here</think>Rome.",
    "attributes": '<thinking signature="x">a</thinking>Rome.',
    "upper case": "<THINK>a</THINK>Rome.",
    "thought": "<thought>a</thought>Rome.",
    "Mistral": "[THINK]a[/THINK]Rome.",
    "Seed": "<seed:think>a</seed:think>Rome.",
    "Kimi": "◁think▷a◁/think▷Rome.",
    "Cohere": "<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>Rome.<|END_RESPONSE|>",
    "Apertus": "<|inner_prefix|>a<|inner_suffix|>Rome.",
    "Gemma": "<|channel>thought\na<channel|>Rome.",
    "OpenThinker": "<|begin_of_thought|>a<|end_of_thought|>Rome.",
    "Granite": "Here is my thought process: a\nHere is my response: Rome.",
    "wrapped answer": "<think>a</think><answer>Rome.</answer>",
    "harmony": f"{HARMONY}<|message|>Rome.",
    "harmony, ended": f"{HARMONY}<|message|>Rome.<|return|>",
    "harmony, first token gone": f"{HARMONY[11:]}<|message|>Rome.",
    "harmony, JSON": f"{HARMONY} <|constrain|>json<|message|>Rome.",
    "harmony, special tokens gone": "analysisWe need a city.assistantfinalRome.",
}  # fmt: skip


@pytest.mark.parametrize("raw", REASONED.values(), ids=REASONED)
def test_the_answer_is_left_without_its_reasoning(raw: str) -> None:
    found = split_reasoning(raw)
    assert found.text == "Rome."
    assert not found.is_call


def test_reasoning_in_front_of_an_answer_of_several_parts() -> None:
    found = split_reasoning("Sure.\n<think>which?</think>\nRome.")
    assert found.text == "Sure.\n\nRome."


@pytest.mark.parametrize(
    "raw",
    [
        "<think>never closed",
        "  [THINK]never closed",
        "<|channel|>analysis<|message|>We need a city.",
        "<think>a</think>",
    ],
)
def test_reasoning_alone_is_an_empty_answer(raw: str) -> None:
    assert split_reasoning(raw).text == ""


CONTENT = [
    "Rome.",
    "The `</think>` tag ends the reasoning.",
    'Look for "</think>" in the text.',
    "```xml\n<think>a</think>\n```",
    "<b>Rome</b> [1] analysis",
    "analysis of the data: fine",
    "<answer>Rome.</answer>",
]


@pytest.mark.parametrize("text", CONTENT)
def test_an_answer_that_writes_about_markers_is_untouched(text: str) -> None:
    assert split_reasoning(text) == (text, 0, False)


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("<think>a</think>Rome.", "Write your reasoning in <think> tags."),
        ("It ends.</think>Really.", "Translate: Es endet.</think>Wirklich."),
        ("<|channel|>final<|message|>x", "What does <|message|> mean?"),
        ("<tool_call>{}</tool_call>", "Show me a <tool_call> block."),
    ],
)
def test_markers_of_the_prompt_are_content(text: str, prompt: str) -> None:
    assert split_reasoning(text, prompt) == (text, 0, False)


CALLS = {
    "Hermes": 'Let me look.\n<tool_call>\n{"name": "read"}\n</tool_call>',
    "unclosed": 'Let me look.\n<tool_call>\n{"name": "re',
    "Mistral": '[TOOL_CALLS][{"name": "read"}]',
    "Llama": '<|python_tag|>{"name": "read"}',
    "function": "Let me look.\n<function=read>{}</function><|im_end|>",
    "Claude": 'Let me look.\n<function_calls>\n<invoke name="read">\n</invoke>\n</function_calls>',
    "DeepSeek": "<｜tool▁calls▁begin｜>read<｜tool▁calls▁end｜>",
    "Kimi": "<|tool_calls_section_begin|>read<|tool_calls_section_end|>",
    "harmony": "<|channel|>commentary to=functions.read <|constrain|>json<|message|>{}<|call|>",
    "after reasoning": "<think>a</think>\n<tool_call>{}</tool_call>",
}


@pytest.mark.parametrize("raw", CALLS.values(), ids=CALLS)
def test_an_answer_that_ends_in_a_tool_call_is_recognised(raw: str) -> None:
    assert split_reasoning(raw).is_call


def test_a_tool_call_in_front_of_an_answer_is_not_its_end() -> None:
    assert not split_reasoning("<tool_call>{}</tool_call> is the format that they use.").is_call


HOSTILE = {
    "closings": "</think>" * 100_000,
    "openings": "<think>" * 100_000,
    "channels": "<|channel|>a" * 60_000 + "<|message|>",
    "bare channels": "analysis assistant" * 50_000,
    "thought processes": "here is my thought process:" * 30_000,
    "half tags": "<think " * 100_000,
    "calls": "<tool_call>" * 80_000 + "`" * 9,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_the_time_grows_with_the_length_alone(text: str) -> None:
    def seconds(given: str) -> float:
        began = time.process_time()
        split_reasoning(given)
        return time.process_time() - began

    assert seconds(text) < 0.5 + 20 * seconds(text[: len(text) // 8])
