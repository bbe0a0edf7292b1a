#!/bin/bash
# The MCP Python SDK agrees on revision 2025-03-26 and then answers none of the requests of a batch.
#
# Version: mcp 2.3.0 (PyPI), a bare server over stdio.
#
# Behaviour: 2025-03-26 is the revision that requires every receiver to support JSON-RPC batches. The
# server answers `initialize` with that very revision, so a client may batch. To an array of two valid
# requests it sends nothing, no result and no error: the client waits until its own timeout. The same
# requests on lines of their own are answered at once.
#
# Seen on 2026-11-28:
#   agreed on 2025-03-26
#   batch of ping and tools/list: 0 answers in 5 s
#   the same one by one: 2 answers
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv py
py/bin/pip install -q --disable-pip-version-check mcp==2.3.0

cat > server.py <<'PYTHON'
from mcp.server import MCPServer
server = MCPServer("bare")

@server.tool()
def find_recipe(dish: str) -> str:
    "Find a recipe."
    return "flour, water"

server.run()
PYTHON

cat > client.py <<'PYTHON'
import json, queue, subprocess, sys, threading

server = subprocess.Popen(
    [sys.executable, "server.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL,
)
lines = queue.Queue()
threading.Thread(target=lambda: [lines.put(line) for line in server.stdout], daemon=True).start()

def send(message):
    server.stdin.write(json.dumps(message).encode() + b"\n")
    server.stdin.flush()

def answers(seconds, most=2):
    found = []
    try:
        while len(found) < most:
            found.append(json.loads(lines.get(timeout=seconds)))
    except queue.Empty:
        pass
    return found

client = {"name": "client", "version": "1"}
hello = {"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": client}
send({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello})
print("agreed on", answers(60, 1)[0]["result"]["protocolVersion"])
send({"jsonrpc": "2.0", "method": "notifications/initialized"})
requests = [{"jsonrpc": "2.0", "id": 2, "method": "ping"},
            {"jsonrpc": "2.0", "id": 3, "method": "tools/list"}]
send(requests)
print(f"batch of ping and tools/list: {len(answers(5))} answers in 5 s")
for request in requests:
    send(request)
print(f"the same one by one: {len(answers(30))} answers")
server.stdin.close()
server.wait(20)
PYTHON
py/bin/python client.py | tee seen

diff - seen <<'EXPECTED'
agreed on 2025-03-26
batch of ping and tools/list: 0 answers in 5 s
the same one by one: 2 answers
EXPECTED
