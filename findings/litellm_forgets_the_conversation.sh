#!/bin/bash
# LiteLLM's Responses API takes `previous_response_id` for any model, and the model sees no earlier turn.
#
# Versions: litellm[proxy] 1.108.7, openai 3.57.0 (PyPI), Python 3.11.
#
# Behaviour: LiteLLM offers /v1/responses for models whose host has none. Each response has an id; the
# client names it as `previous_response_id`, as OpenAI documents it, and sends only what is new. Without a
# database the proxy keeps no conversation, and takes the id all the same, with status 200 and
# "completed". It takes an id that never existed, too. The model is asked the new turn alone. After a
# tool call it gets the call, which the proxy remembers by itself, and the result, but not the question.
# OpenAI refuses an id that it does not know, with 400 and code "previous_response_not_found", upon which a client can
# send the whole conversation (Agno does); here it never learns that it should.
#
# Seen on 2026-11-29, what the model is asked:
#   first turn       user: My name is Ann. Look into notes.txt.
#   tool's result    assistant: (calls look)  user: (result)  completed
#   second turn      user: What is my name?  completed
#   an unknown id    user: What is my name?  completed
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${proxy:-}" "${host:-}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
mkdir home
export HOME="$folder/home" LITELLM_LOCAL_MODEL_COST_MAP=True
python3 -m venv py
py/bin/pip install -q --no-compile --disable-pip-version-check 'litellm[proxy]==1.108.7'

# A host with Anthropic's API. It calls the tool once, then answers; it notes what it is asked.
cat > host.py <<'PYTHON'
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

def shown(message):
    parts = message["content"]
    if isinstance(parts, str):
        return f"{message['role']}: {parts}"
    ways = {"tool_use": lambda part: f"(calls {part['name']})", "tool_result": lambda part: "(result)",
            "text": lambda part: part["text"]}
    return f"{message['role']}: {' '.join(ways[part['type']](part) for part in parts)}"

class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        asked = "  ".join(shown(message) for message in body["messages"])
        open("asked", "w").write(asked)
        call = "Look into" in asked and "result" not in asked
        block = ({"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}} if call
                 else {"type": "text", "text": "Yes."})
        answer = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"],
                  "content": [block], "stop_reason": "tool_use" if call else "end_turn",
                  "stop_sequence": None, "usage": {"input_tokens": 9, "output_tokens": 9}}
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
open("port", "w").write(str(server.server_port))
server.serve_forever()
PYTHON
python3 host.py & host=$!
until [ -s port ]; do sleep 0.1; done

cat > config.yaml <<YAML
model_list:
  - {model_name: m, litellm_params: {model: anthropic/claude-sonnet-4-5, api_base: "http://127.0.0.1:$(cat port)", api_key: x}}
general_settings: {master_key: sk-for-this-run-only}
litellm_settings: {telemetry: false}
YAML
free=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
py/bin/litellm --config config.yaml --host 127.0.0.1 --port "$free" > proxy.log 2>&1 & proxy=$!
until curl -s "127.0.0.1:$free/health/liveliness" > /dev/null; do kill -0 "$proxy"; sleep 0.5; done

cat > client.py <<'PYTHON'
import sys

from openai import OpenAI

client = OpenAI(base_url=f"http://127.0.0.1:{sys.argv[1]}/v1", api_key="sk-for-this-run-only", timeout=60)
TOOLS = [{"type": "function", "name": "look", "description": "Read notes.txt.",
          "parameters": {"type": "object", "properties": {}}}]

def ask(label, asked, **settings):
    response = client.responses.create(model="m", input=asked, tools=TOOLS, **settings)
    end = f"  {response.status}" if settings else ""
    print(f"{label:15}  {open('asked').read()}{end}", flush=True)
    return response

first = ask("first turn", "My name is Ann. Look into notes.txt.")
call = next(item for item in first.output if item.type == "function_call")
result = [{"type": "function_call_output", "call_id": call.call_id, "output": "Buy milk."}]
second = ask("tool's result", result, previous_response_id=first.id)
ask("second turn", "What is my name?", previous_response_id=second.id)
ask("an unknown id", "What is my name?", previous_response_id="resp_0123456789")
PYTHON
timeout 120 py/bin/python client.py "$free" | tee seen

diff - seen <<'EXPECTED'
first turn       user: My name is Ann. Look into notes.txt.
tool's result    assistant: (calls look)  user: (result)  completed
second turn      user: What is my name?  completed
an unknown id    user: What is my name?  completed
EXPECTED
