#!/bin/bash
# Claude Code loses the result of a tool call whose id is that of an earlier call, or like it.
#
# Versions: @anthropic-ai/claude-code 2.1.332 (npm).
#
# Behaviour: Anthropic's own ids are unique, but some servers with its API, and gateways that translate for others,
# repeat ids: models that number their calls anew in each answer (github.com/open-webui/open-webui/issues/28305) or
# have one for all. The model here calls Bash three times, one after the other, until it sees three results, and
# ends after 8 requests.
# - different ids: four requests, three results.
# - the same id each time: Claude Code runs the command, but sends the model only the first call and its
#   result from then on: it never sees a second result.
# - call_0, call_0_1, call_0_2 ("suffix"): the commands run, too, and instead of the second and third result the
#   model gets "[Tool result missing due to internal error]".
#
# Seen on 2026-11-29, requests, commands that were run, and what the model sees of them at the end:
#   different   4   3  result 0; result 1; result 2
#   same        9   8  result 0
#   suffix      4   3  result 0; [Tool result missing due to internal error]; [Tool result missing due to internal error]
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${model:-}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --loglevel=error --prefix cli @anthropic-ai/claude-code@2.1.332 \
  > npm.log 2>&1 || { tail npm.log; exit 1; }

cat > model.py <<'PYTHON'
import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

def event(kind, **data):
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()

def results(body):
    for message in body["messages"]:
        for part in message["content"] if isinstance(message["content"], list) else ():
            if part["type"] == "tool_result":
                yield str(part["content"])

class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if not self.path.startswith("/v1/messages") or "count_tokens" in self.path:
            return self.send_error(404)
        seen = [*results(body)]
        asked = len(open("asked").read())
        open("asked", "a").write("x")
        json.dump(seen, open("results", "w"))
        ids = {"different": f"call_{time.time_ns()}", "same": "call_0",
               "suffix": f"call_0_{len(seen)}" if seen else "call_0"}
        text = len(seen) >= 3 or asked >= 8
        block = ({"type": "text", "text": ""} if text else
                 {"type": "tool_use", "id": ids[open("way").read()], "name": "Bash", "input": {}})
        command = json.dumps({"command": f"echo x >> ran; echo result {asked}", "description": "Note it"})
        delta = ({"type": "text_delta", "text": "Done."} if text else
                 {"type": "input_json_delta", "partial_json": command})
        message = {"id": f"msg_{time.time_ns()}", "type": "message", "role": "assistant", "model": "m",
                   "content": [], "stop_reason": None, "stop_sequence": None,
                   "usage": {"input_tokens": 1, "output_tokens": 1}}
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self.wfile.write(
            event("message_start", message=message)
            + event("content_block_start", index=0, content_block=block)
            + event("content_block_delta", index=0, delta=delta)
            + event("content_block_stop", index=0)
            + event("message_delta", usage={"output_tokens": 1},
                    delta={"stop_reason": "end_turn" if text else "tool_use", "stop_sequence": None})
            + event("message_stop"))

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
open("port", "w").write(str(server.server_port))
server.serve_forever()
PYTHON
python3 model.py 2> model.log & model=$!
until [ -s port ]; do sleep 0.1; done

for way in different same suffix; do
  rm -rf home work && mkdir home work && : > asked
  echo -n "$way" > way
  (cd work && env -i PATH="$PATH" HOME="$folder/home" ANTHROPIC_BASE_URL="http://127.0.0.1:$(cat ../port)" \
    ANTHROPIC_API_KEY=none ANTHROPIC_MODEL=m CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 \
    DISABLE_TELEMETRY=1 DISABLE_AUTOUPDATER=1 HTTPS_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1 \
    timeout 60 ../cli/node_modules/.bin/claude -p "Go." --allowedTools Bash < /dev/null > ../answer 2> ../errors) \
    || { cat answer errors; exit 1; }
  python3 - "$way" <<'PYTHON'
import json, sys
ran = len(open("work/ran").read().split())
print(f"{sys.argv[1]:9}  {len(open('asked').read()):2}  {ran:2}  {'; '.join(json.load(open('results')))}")
PYTHON
done | tee seen

diff - seen <<'EXPECTED'
different   4   3  result 0; result 1; result 2
same        9   8  result 0
suffix      4   3  result 0; [Tool result missing due to internal error]; [Tool result missing due to internal error]
EXPECTED
