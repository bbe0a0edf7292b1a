#!/bin/bash
# Codex's MCP tools never reach a model that llama.cpp serves, and neither of the two reports it.
#
# Versions: @openai/codex 0.171.0 (npm), llama.cpp's HTTP server as in xllamacpp 2026.10.11549 (PyPI),
# an MCP server on mcp 2.3.0 (PyPI).
#
# Behaviour: Codex speaks only the Responses API and puts the tools of each MCP server into one tool
# of type "namespace". llama.cpp's /v1/responses knows tools of type "function" alone; it skips each
# other one with a warning in its own log and answers 200. The turn succeeds, Codex shows the server
# as connected, and the model has Codex's own tools but none of the MCP server's.
#
# Seen on 2026-11-28:
#   codex: exit 0, The capital of France is Paris.
#   sent to llama.cpp: namespace mcp__cook with find_recipe
#   llama.cpp's log: unsupported Responses tool type 'namespace' skipped
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'kill "${llama:-}" "${proxy:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv py
py/bin/pip install -q --disable-pip-version-check xllamacpp==2026.10.11549 mcp==2.3.0
npm install --silent --no-audit --no-fund --prefix codex @openai/codex@0.171.0

# A model of 300 kB that answers every prompt alike.
cat > write_model.py <<'PYTHON'
import sys
from pathlib import Path
from e2e import tiny_model
tiny_model.WINDOW = 65536
tiny_model.write(Path("tiny.gguf"))
PYTHON
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$here/../tests" python3 write_model.py

cat > llama.py <<'PYTHON'
import signal
import xllamacpp
parameters = xllamacpp.CommonParams()
parameters.model.path = "tiny.gguf"
parameters.hostnames = ["127.0.0.1"]
parameters.port = 0
parameters.n_ctx = 65536
parameters.n_parallel = 1
server = xllamacpp.Server(parameters)
open("llama.port", "w").write(server.listening_address.rsplit(":", 1)[1])
signal.pause()
PYTHON
py/bin/python llama.py > llama.log 2>&1 & llama=$!

# Passes requests on, and keeps the last one.
cat > proxy.py <<'PYTHON'
import http.client
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        open("request.json", "wb").write(body)
        upstream = http.client.HTTPConnection("127.0.0.1", int(open("llama.port").read()))
        upstream.request("POST", self.path, body, {"content-type": "application/json"})
        answer = upstream.getresponse()
        self.send_response(answer.status)
        self.send_header("content-type", answer.headers["content-type"])
        self.end_headers()
        self.wfile.write(answer.read())

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
open("proxy.port", "w").write(str(server.server_port))
server.serve_forever()
PYTHON
python3 proxy.py & proxy=$!
for _ in $(seq 300); do [ -s llama.port ] && [ -s proxy.port ] && break; sleep 0.1; done

cat > cook.py <<'PYTHON'
from mcp.server import MCPServer
server = MCPServer("cook")

@server.tool()
def find_recipe(dish: str) -> str:
    "Find a recipe."
    return "flour, water"

server.run()
PYTHON
mkdir -p home/.codex work
cat > home/.codex/config.toml <<TOML
model = "tiny"
model_provider = "llama"
check_for_update_on_startup = false
[analytics]
enabled = false
[model_providers.llama]
name = "llama"
base_url = "http://127.0.0.1:$(cat proxy.port)/v1"
wire_api = "responses"
[mcp_servers.cook]
command = "$folder/py/bin/python"
args = ["$folder/cook.py"]
required = true
TOML
status=0
answer=$(cd work && env -i PATH="$PATH" HOME="$folder/home" HTTPS_PROXY=http://127.0.0.1:9 \
  NO_PROXY=127.0.0.1 timeout 100 ../codex/node_modules/.bin/codex exec --skip-git-repo-check \
  "What is the capital of France?" < /dev/null 2> ../codex.log) || status=$?

{
  echo "codex: exit $status, $(echo "$answer" | tail -1 | sed 's/^ *//')"
  python3 - <<'PYTHON'
import json
for tool in json.load(open("request.json"))["tools"]:
    if tool["type"] == "namespace" and tool["name"].startswith("mcp__"):
        names = ", ".join(inner["name"] for inner in tool["tools"])
        print(f"sent to llama.cpp: namespace {tool['name']} with {names}")
PYTHON
  echo "llama.cpp's log: $(grep -o "unsupported .* 'namespace' skipped" llama.log | head -1)"
} | tee seen

diff - seen <<'EXPECTED'
codex: exit 0, The capital of France is Paris.
sent to llama.cpp: namespace mcp__cook with find_recipe
llama.cpp's log: unsupported Responses tool type 'namespace' skipped
EXPECTED
