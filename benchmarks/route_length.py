"""How far one warm `complete` goes: package files that it enters, and changes from file to file.

Counted in process, from the tool call's arguments to its result, with `sys.setprofile`, while a
simulated provider answers from another process. The client has asked for no progress. Every call
of a function counts, properties and callbacks included; the frames of comprehensions and the
resumption of coroutines are no calls. `--show` prints the functions in order.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rightmodel.execution.engine import App
from rightmodel.manifest.settings import read_settings
from rightmodel.surfaces.mcp.server import ToolCalls

if TYPE_CHECKING:
    from types import FrameType

PACKAGE = str(Path(sys.modules["rightmodel"].__file__ or "").parent) + "/"
MOST_FILES = 26
MOST_CHANGES = 110
WARM_UP = 5
COMPREHENSIONS = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})
MODELS = ("--model", "small", "--model", "large")
MANIFEST = """version = 1
baseline = "p/large"
[providers.p]
protocol = "openai-chat"
base_url = "{url}"
[[models]]
id = "p/small"
cost = {{ input = 1, output = 2 }}
limits = {{ context = 100000, output = 32000 }}
skills = {{ general = 8 }}
[[models]]
id = "p/large"
cost = {{ input = 10, output = 20 }}
limits = {{ context = 100000, output = 32000 }}
skills = {{ general = 9 }}
"""


class Route:
    """The package's files in the order in which calls enter them; `steps`: with functions."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self.steps: list[str] = []
        self._frames: set[FrameType] = set()

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        """The profile function."""
        if event != "call" or frame in self._frames:  # a coroutine that goes on
            return
        if frame.f_code.co_name in COMPREHENSIONS:
            return
        self._frames.add(frame)
        name = frame.f_code.co_filename
        if name.startswith(PACKAGE):
            file = name.removeprefix(PACKAGE)
            if not self.files or self.files[-1] != file:
                self.files.append(file)
                self.steps.append(f"{file}:")
            self.steps[-1] += f" {frame.f_code.co_name}"


async def measure(url: str, folder: Path) -> Route:
    """The route of one call, after a few others."""
    manifest = folder / "rightmodel.toml"
    manifest.write_text(MANIFEST.format(url=url))
    app = App(
        read_settings(manifest=str(manifest), environment={"RIGHTMODEL_STATE_DIR": str(folder)})
    )
    tools = ToolCalls(app.engine, None)

    async def complete(number: int) -> None:
        arguments = {"prompt": f"Translate into French: good morning, number {number}"}
        result = await tools.answer("complete", arguments)
        if result.is_error:
            raise RuntimeError(str(result.content))

    for number in range(WARM_UP):
        await complete(number)
    await asyncio.sleep(0.2)  # what the ledger notes of former calls is written
    route = Route()
    sys.setprofile(route)
    try:
        await complete(WARM_UP)
    finally:
        sys.setprofile(None)
    await app.close()
    return route


async def main() -> None:
    """Print the two figures; exit with 1 where one is over its bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--show", action="store_true")
    show = parser.parse_args().show
    provider = await asyncio.create_subprocess_exec(
        sys.executable, "-u", "-m", "rightmodel.simulator", *MODELS, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert provider.stdout is not None
        url = ""
        while not url:
            words = (await provider.stdout.readline()).decode().split()
            url = next((word for word in words if word.startswith("http://")), "")
        with tempfile.TemporaryDirectory() as folder:
            route = await measure(url, Path(folder))
    finally:
        provider.terminate()
        await provider.wait()
    files, changes = len(set(route.files)), len(route.files) - 1
    if show:
        for name, times in Counter(route.files).most_common():
            print(f"{times:4} {name}")
        print("\n".join(route.steps))
    print(f"files entered: {files} (at most {MOST_FILES}); changes of file: {changes}", end=" ")
    print(f"(at most {MOST_CHANGES})")
    sys.exit(files > MOST_FILES or changes > MOST_CHANGES)


if __name__ == "__main__":
    asyncio.run(main())
