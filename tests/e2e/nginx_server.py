"""A real nginx in front of servers, for one test: its own folder, its own port."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from e2e.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DOCS: Final = Path(__file__).parents[2] / "docs" / "team.md"
HEAD: Final = """
daemon off;
pid {folder}/pid;
error_log {folder}/log;
events {{ worker_connections 2048; }}
"""


def documented(ports: Sequence[int], port: int) -> str:
    """The `http` block that the page for teams shows, with these addresses in it."""
    shown = DOCS.read_text().partition("```nginx\n")[2].partition("```")[0]
    assert shown
    for example, real in zip(("server1:8765", "server2:8765"), ports, strict=True):
        shown = shown.replace(example, f"127.0.0.1:{real}")
    return shown.replace("listen 443 ssl;", f"listen 127.0.0.1:{port};").replace("ssl_", "# ssl_")


@contextlib.contextmanager
def nginx(ports: Sequence[int]) -> Iterator[str]:
    """Its address, while it runs."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    assert program, "nginx is not installed. Run: make e2e"
    folder, port = Path(tempfile.mkdtemp(prefix="nginx-")), free_port()
    temporary = "".join(
        f"    {kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    http = documented(ports, port).replace(
        "http {\n", f"http {{\n    access_log off;\n{temporary}", 1
    )
    (folder / "nginx.conf").write_text(HEAD.format(folder=folder) + http)
    process = subprocess.Popen(
        [program, "-p", str(folder), "-e", str(folder / "log"), "-c", str(folder / "nginx.conf")]
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)
        shutil.rmtree(folder)
