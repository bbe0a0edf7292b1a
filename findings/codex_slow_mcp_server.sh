#!/bin/bash
# Codex asks its model without the tools of an MCP server that needs two seconds to start.
#
# Versions: @openai/codex 0.171.0 (npm), a bare server on mcp 2.3.0 (PyPI) whose start takes 2 s
# longer, as on a slow or busy machine.
#
# Behaviour: `codex exec` sends its first request before the server has answered the handshake. The
# request does not mention the server, there is no warning, and the exit status is 0.
# `startup_timeout_sec = 30`, which is said to be the time that Codex gives a server to start, changes
# nothing; only `required = true` makes Codex wait, and then a server that fails ends the session.
#
# Seen on 2026-11-28:
#   startup_timeout_sec = 30  exit 0  tools 0  warned no
#   required = true           exit 0  tools 2  warned no
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${provider:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv py
py/bin/pip install -q --disable-pip-version-check mcp==2.3.0
npm install --silent --no-audit --no-fund --prefix codex @openai/codex@0.171.0

cat > server.py <<'PYTHON'
import time
time.sleep(2)
from mcp.server import MCPServer
server = MCPServer("slow")

@server.tool()
def find_recipe(dish: str) -> str:
    "Find a recipe."
    return "flour, water"

@server.tool()
def find_shop(ingredient: str) -> str:
    "Find a shop."
    return "next door"

server.run()
PYTHON

# A model that always answers "Hello."; keeps the first request.
cat > provider.py <<'PYTHON'
import json, os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

def event(kind, **data):
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()

class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if not os.path.exists("first.json"):
            open("first.json", "wb").write(body)
        text = {"type": "output_text", "text": "Hello.", "annotations": []}
        item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                "content": [text]}
        usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
        response = {"id": "resp_1", "object": "response", "model": "m", "output": [item]}
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self.wfile.write(
            event("response.created", response={**response, "status": "in_progress", "output": []})
            + event("response.output_item.done", output_index=0, item=item)
            + event("response.completed", response={**response, "status": "completed", "usage": usage}))

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
open("port", "w").write(str(server.server_port))
server.serve_forever()
PYTHON
python3 provider.py & provider=$!
while [ ! -s port ]; do sleep 0.1; done

turn() { # SETTING
  rm -rf first.json home && mkdir -p home/.codex work
  cat > home/.codex/config.toml <<TOML
model = "m"
model_provider = "scripted"
check_for_update_on_startup = false
[analytics]
enabled = false
[model_providers.scripted]
name = "scripted"
base_url = "http://127.0.0.1:$(cat port)/v1"
wire_api = "responses"
[mcp_servers.slow]
command = "$folder/py/bin/python"
args = ["$folder/server.py"]
$1
TOML
  status=0
  (cd work && env -i PATH="$PATH" HOME="$folder/home" HTTPS_PROXY=http://127.0.0.1:9 \
    NO_PROXY=127.0.0.1 timeout 40 ../codex/node_modules/.bin/codex exec --skip-git-repo-check hi \
    < /dev/null > ../answer 2> ../errors) || status=$?
  warned=$(grep -qi 'slow\|mcp' errors && echo yes || echo no)
  python3 - "$1" "$status" "$warned" <<'PYTHON'
import json, sys
servers = [t for t in json.load(open("first.json"))["tools"] if t.get("name") == "mcp__slow"]
count = sum(len(server["tools"]) for server in servers)
print(f"{sys.argv[1]:24}  exit {sys.argv[2]}  tools {count}  warned {sys.argv[3]}")
PYTHON
}
for setting in "startup_timeout_sec = 30" "required = true"; do turn "$setting"; done | tee seen

diff - seen <<'EXPECTED'
startup_timeout_sec = 30  exit 0  tools 0  warned no
required = true           exit 0  tools 2  warned no
EXPECTED
