"""What is large arrives whole: 5 MB in, 200 kB out."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from process.server_process import Folders, manifest, texts
from rightmodel.simulator import Behaviour, SimulatedProvider

if TYPE_CHECKING:
    from pathlib import Path

WORDS = ("plain", "Größe", "日本語", "🙂", "tab\there", 'quo"te', "back\\slash", "\u2028", "\r\n")


def large(size: int, seed: int) -> str:
    """Text of about so many bytes, with everything in it that an encoding could trip over."""
    chance = random.Random(seed)
    words = [chance.choice(WORDS) for _ in range(size // 8)]
    text = " ".join(words)
    return text + "." * max(0, size - len(text.encode()))


async def test_a_prompt_of_5_mb_arrives_byte_for_byte(tmp_path: Path) -> None:
    prompt = large(5_000_000, seed=1)
    assert len(prompt.encode()) >= 5_000_000

    # Not openai-chat: on loopback, a count unlike our own is taken for Ollama's silent cut.
    models = {"m": Behaviour()}
    async with SimulatedProvider("anthropic-messages", models=models) as upstream:
        folders = Folders(tmp_path)
        folders.write(manifest(upstream))
        async with folders.server() as server:
            answer, _ = texts(await server.call(prompt=prompt))
            assert answer == "This is a simulated answer."
        assert [r.prompt == prompt for r in upstream.requests] == [True]
        assert server.invalid_lines == []


async def test_an_answer_of_200_kb_is_read_by_ref_to_its_end(tmp_path: Path) -> None:
    whole = large(200_000, seed=2).strip()

    behaviour = Behaviour(whole, chunk_tokens=500)
    async with SimulatedProvider("openai-chat", models={"m": behaviour}) as upstream:
        folders = Folders(tmp_path)
        folders.write(manifest(upstream))
        async with folders.server() as server:
            message = await server.call(prompt="at length", max_output_tokens=200_000)
            ref = message["result"]["_meta"]["rightmodel/receipt"]["ref"]
            pages = [texts(message)]
            while f"call complete with ref={ref} alone" in pages[-1][1]:
                pages.append(texts(await server.call(ref=ref)))
            read = "".join(page for page, _ in pages)
            assert read.encode() == whole.encode()
            assert len(pages) > 1
            again, _ = texts(await server.call(ref=ref))  # its last page may have been lost
            assert again == pages[0][0]
        assert len(upstream.requests) == 1
