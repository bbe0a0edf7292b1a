#!/bin/bash
# Codex and opencode with a window smaller than their own prompt compact the conversation forever.
#
# Versions: @openai/codex 0.171.0 and opencode-ai 1.18.33 (npm), as they are installed, with a
# scripted model on loopback that reports its usage honestly: a token for every four characters.
#
# Behaviour: a window of 8192 tokens is what a user sets for a local model with 8k. The instructions
# and tools of either agent alone are as long. After the first tool call the agent compacts the
# conversation, sends the rest, which is hardly shorter, compacts it, and so on. Nothing bounds it: no
# error, no wait between requests, no limit on compactions, and the task never goes on. At a provider
# that is billed, this is money until somebody notices. With 200000 the same run ends at once.
#
# Seen on 2026-11-29 (within 20 s: 375 requests of Codex, within 50 s: 330 of opencode):
#   codex     8192  goes on  more than 10 requests, every second one a compaction
#   codex     200000  ends  2 requests, no compaction
#   opencode  8192  goes on  more than 10 requests, every second one a compaction
#   opencode  200000  ends  2 requests, no compaction
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${provider:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund "@openai/codex@0.171.0" "opencode-ai@1.18.33"

# A model that calls a tool until there is a result, and then says "Done.". It notes what each
# request with tools, and each compaction, was.
cat > provider.py <<'PYTHON'
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMPACTING = ("CONTEXT CHECKPOINT COMPACTION", "You are a context summarization agent.")

def responses(call, tokens):
    item = {"type": "message", "id": "m1", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": "Done.", "annotations": []}]}
    if call:
        item = {"type": "function_call", "id": "f1", "call_id": "c1", "name": "exec_command",
                "arguments": json.dumps({"cmd": "true"}), "status": "completed"}
    usage = {"input_tokens": tokens, "output_tokens": 5, "total_tokens": tokens + 5,
             "input_tokens_details": {"cached_tokens": 0},
             "output_tokens_details": {"reasoning_tokens": 0}}
    head = {"id": "r1", "object": "response", "model": "m", "status": "in_progress", "output": []}
    yield {"type": "response.created", "response": head}
    yield {"type": "response.output_item.done", "output_index": 0, "item": item}
    yield {"type": "response.completed",
           "response": {**head, "status": "completed", "output": [item], "usage": usage}}

def chat(call, tokens):
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    function = {"name": "bash", "arguments": json.dumps({"command": "true", "description": "x"})}
    delta = {"role": "assistant", "content": "Done."}
    if call:
        called = {"index": 0, "id": "c1", "type": "function", "function": function}
        delta = {"role": "assistant", "tool_calls": [called]}
    end = "tool_calls" if call else "stop"
    yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": end}]}
    yield {**head, "choices": [], "usage": {"prompt_tokens": tokens, "completion_tokens": 5,
                                            "total_tokens": tokens + 5}}

class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_error(404)

    def do_POST(self):
        raw = self.rfile.read(int(self.headers["content-length"])).decode()
        body = json.loads(raw)
        compacts = any(text in raw for text in COMPACTING)
        if body.get("tools") or compacts:  # not the call for a title
            with open("requests", "a") as file:
                file.write("compaction\n" if compacts else "turn\n")
        items = body.get("input") or body["messages"]
        done = any(i.get("type") == "function_call_output" or i.get("role") == "tool" for i in items)
        answer = responses if "input" in body else chat
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for event in answer(bool(body.get("tools")) and not done and not compacts, len(raw) // 4):
            kind = f"event: {event['type']}\n" if "type" in event else ""
            self.wfile.write(f"{kind}data: {json.dumps(event)}\n\n".encode())

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
open("port", "w").write(str(server.server_port))
server.serve_forever()
PYTHON
python3 provider.py & provider=$!
while [ ! -s port ]; do sleep 0.1; done

task() { # AGENT WINDOW COMMAND...
  agent=$1 window=$2; shift 2
  rm -rf home work requests && mkdir -p home/.codex home/.config/opencode work
  cat > home/.codex/config.toml <<TOML
model = "m"
model_provider = "local"
model_context_window = $window
check_for_update_on_startup = false
[analytics]
enabled = false
[model_providers.local]
name = "local"
base_url = "http://127.0.0.1:$(cat port)/v1"
wire_api = "responses"
TOML
  cat > home/.config/opencode/opencode.json <<JSON
{"autoupdate": false, "share": "disabled", "model": "local/m", "enabled_providers": ["local"],
 "provider": {"local": {"npm": "@ai-sdk/openai-compatible",
   "options": {"baseURL": "http://127.0.0.1:$(cat port)/v1", "apiKey": "none"},
   "models": {"m": {"limit": {"context": $window, "output": 1000}}}}}}
JSON
  code=0
  (cd work && exec env -i PATH="$PATH" HOME="$folder/home" HTTPS_PROXY=http://127.0.0.1:9 \
    NO_PROXY=127.0.0.1 OPENCODE_DISABLE_MODELS_FETCH=1 OPENCODE_DISABLE_AUTOUPDATE=1 \
    timeout 40 "$@" < /dev/null > ../answer 2> ../errors) || code=$?
  python3 - "$agent" "$window" "$code" <<'PYTHON'
import sys
agent, window, code = sys.argv[1:]
kinds = open("requests").read().split()
compactions = kinds.count("compaction")
print(f"{len(kinds)} requests, {compactions} compactions", file=sys.stderr)
ends = {"124": "goes on", "0": "ends"}.get(code, f"exit {code}")
many = "more than 10" if len(kinds) > 10 else str(len(kinds))
what = "every second one a compaction" if 2 * compactions > len(kinds) - 4 else f"{compactions} compactions"
print(f"{agent:8}  {window}  {ends}  {many} requests, {what if compactions else 'no compaction'}")
PYTHON
}
for window in 8192 200000; do
  task codex "$window" ../node_modules/.bin/codex exec --skip-git-repo-check \
    --dangerously-bypass-approvals-and-sandbox "Run true."
done | tee seen
for window in 8192 200000; do
  task opencode "$window" ../node_modules/.bin/opencode run "Run true."
done | tee -a seen

diff - seen <<'EXPECTED'
codex     8192  goes on  more than 10 requests, every second one a compaction
codex     200000  ends  2 requests, no compaction
opencode  8192  goes on  more than 10 requests, every second one a compaction
opencode  200000  ends  2 requests, no compaction
EXPECTED
