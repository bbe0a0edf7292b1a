#!/bin/bash
# Claude Code asks its model without the tools of an MCP server that needs three seconds to start.
#
# Versions: @anthropic-ai/claude-code 2.1.197 (the newest that takes Node 20) and 2.1.332 (npm), with
# a bare server on mcp 2.3.0 (PyPI) whose start takes 3 s longer, as on a slow or busy machine.
#
# Behaviour: 2.1.197 does not wait. The first request to the model has neither the server's tools nor
# their names, there is no warning, and the exit status is 0: the agent answers as if the server were
# not registered. 2.1.332 waits, so the first turn is late by the server's start, and then gives the
# model only the names of the tools, to be searched for. `"alwaysLoad": true` in the server's entry
# makes both versions wait and send the tools themselves.
#
# Seen on 2026-11-28:
#   2.1.197             tools 0  named no
#   2.1.197 alwaysLoad  tools 2  named yes
#   2.1.332             tools 0  named yes
#   2.1.332 alwaysLoad  tools 2  named yes
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${provider:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv py
py/bin/pip install -q --disable-pip-version-check mcp==2.3.0
for version in 2.1.197 2.1.332; do
  npm install --silent --no-audit --no-fund --prefix "$version" "@anthropic-ai/claude-code@$version"
done

cat > server.py <<'PYTHON'
import time
time.sleep(3)
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
        if not self.path.startswith("/v1/messages") or "count_tokens" in self.path:
            self.send_error(404)
            return
        if not os.path.exists("first.json"):
            open("first.json", "wb").write(body)
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
                   "stop_reason": None, "stop_sequence": None,
                   "usage": {"input_tokens": 1, "output_tokens": 1}}
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self.wfile.write(
            event("message_start", message=message)
            + event("content_block_start", index=0, content_block={"type": "text", "text": ""})
            + event("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hello."})
            + event("content_block_stop", index=0)
            + event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None},
                    usage={"output_tokens": 1})
            + event("message_stop"))

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
open("port", "w").write(str(server.server_port))
server.serve_forever()
PYTHON
python3 provider.py & provider=$!
while [ ! -s port ]; do sleep 0.1; done

turn() { # VERSION ALWAYS_LOAD
  rm -rf first.json home && mkdir home
  config='{"mcpServers":{"slow":{"command":"'$folder/py/bin/python'","args":["'$folder/server.py'"],"alwaysLoad":'$2'}}}'
  env -i PATH="$PATH" HOME="$folder/home" ANTHROPIC_BASE_URL="http://127.0.0.1:$(cat port)" \
    ANTHROPIC_API_KEY=none ANTHROPIC_MODEL=m CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 \
    DISABLE_TELEMETRY=1 DISABLE_AUTOUPDATER=1 HTTPS_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1 \
    timeout 40 "$1/node_modules/.bin/claude" -p hi --strict-mcp-config --mcp-config "$config" \
    < /dev/null > answer 2> errors || { cat answer errors; exit 1; }
  python3 - "$1" "$2" <<'PYTHON'
import json, sys
text = open("first.json").read()
tools = [t["name"] for t in json.loads(text)["tools"] if t["name"].startswith("mcp__slow__")]
named = "yes" if "mcp__slow__find_recipe" in text else "no"
name = sys.argv[1] + (" alwaysLoad" if sys.argv[2] == "true" else "")
print(f"{name:18}  tools {len(tools)}  named {named}")
PYTHON
}
for version in 2.1.197 2.1.332; do
  for always in false true; do turn "$version" "$always"; done
done | tee seen

diff - seen <<'EXPECTED'
2.1.197             tools 0  named no
2.1.197 alwaysLoad  tools 2  named yes
2.1.332             tools 0  named yes
2.1.332 alwaysLoad  tools 2  named yes
EXPECTED
