#!/bin/bash
# Codex with a model whose window is smaller than its own prompt compacts the conversation forever.
#
# Version: @openai/codex 0.171.0 (npm), as it is installed, with a scripted model on loopback that
# speaks the Responses API and reports its usage honestly: a token for every four characters.
#
# Behaviour: `model_context_window = 8192` is what a user sets for a local model with 8k. Codex's
# instructions and tools alone are some 10,000 tokens. After the first tool call it compacts, sends
# the first request again in a new window, which is as large as before, compacts, and so on. Nothing
# bounds it: no error, no wait between requests, no limit on compactions, and the task never goes on.
# Behind an API that is billed, this is money until somebody notices. With 200000 the same run ends
# after two requests.
#
# Seen on 2026-11-29 (requests within 20 s; most were some hundreds):
#   window   8192  goes on, more than 50 requests, every second one a compaction
#   window 200000  ends, 2 requests, no compaction
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${provider:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund "@openai/codex@0.171.0"

# A model that calls a tool until there is a result, and then says "Done."
cat > provider.py <<'PYTHON'
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_error(404)

    def do_POST(self):
        raw = self.rfile.read(int(self.headers["content-length"]))
        body = json.loads(raw)
        about = json.loads(self.headers.get("x-codex-turn-metadata", "{}"))
        with open("requests", "a") as file:
            file.write(about.get("request_kind", "turn") + "\n")
        called = any(item["type"] == "function_call_output" for item in body["input"])
        if called or about.get("request_kind") == "compaction":
            item = {"type": "message", "id": "m1", "role": "assistant", "status": "completed",
                    "content": [{"type": "output_text", "text": "Done.", "annotations": []}]}
        else:
            item = {"type": "function_call", "id": "f1", "call_id": "c1", "name": "exec_command",
                    "arguments": json.dumps({"cmd": "true"}), "status": "completed"}
        tokens = len(raw) // 4
        usage = {"input_tokens": tokens, "output_tokens": 5, "total_tokens": tokens + 5,
                 "input_tokens_details": {"cached_tokens": 0},
                 "output_tokens_details": {"reasoning_tokens": 0}}
        response = {"id": "r1", "object": "response", "model": "m", "status": "in_progress",
                    "output": []}
        done = {**response, "status": "completed", "output": [item], "usage": usage}
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for event in ({"type": "response.created", "response": response},
                      {"type": "response.output_item.done", "output_index": 0, "item": item},
                      {"type": "response.completed", "response": done}):
            self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
open("port", "w").write(str(server.server_port))
server.serve_forever()
PYTHON
python3 provider.py & provider=$!
while [ ! -s port ]; do sleep 0.1; done

task() { # WINDOW
  rm -rf home requests && mkdir -p home/.codex work
  cat > home/.codex/config.toml <<TOML
model = "m"
model_provider = "local"
model_context_window = $1
check_for_update_on_startup = false
[analytics]
enabled = false
[model_providers.local]
name = "local"
base_url = "http://127.0.0.1:$(cat port)/v1"
wire_api = "responses"
TOML
  code=0
  (cd work && exec env -i PATH="$PATH" HOME="$folder/home" HTTPS_PROXY=http://127.0.0.1:9 \
    NO_PROXY=127.0.0.1 timeout 20 ../node_modules/.bin/codex exec --skip-git-repo-check \
    --dangerously-bypass-approvals-and-sandbox "Run true." < /dev/null > ../answer 2> ../errors) ||
    code=$?
  python3 - "$1" "$code" <<'PYTHON'
import sys
window, code = sys.argv[1:]
kinds = open("requests").read().split()
compactions = kinds.count("compaction")
print(f"{len(kinds)} requests, {compactions} compactions", file=sys.stderr)
ends = {"124": "goes on", "0": "ends"}.get(code, f"exit {code}")
many = "more than 50" if len(kinds) > 50 else str(len(kinds))
share = "every second one a compaction" if compactions * 2 >= len(kinds) - 1 > 0 and compactions else "no compaction"
print(f"window {window:>6}  {ends}, {many} requests, {share}")
PYTHON
}
for window in 8192 200000; do task "$window"; done | tee seen

diff - seen <<'EXPECTED'
window   8192  goes on, more than 50 requests, every second one a compaction
window 200000  ends, 2 requests, no compaction
EXPECTED
