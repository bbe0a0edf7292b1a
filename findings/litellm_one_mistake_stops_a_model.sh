#!/bin/bash
# One user's mistake, and LiteLLM's proxy refuses the model to everybody for five seconds.
#
# Versions: litellm[proxy] 1.108.7 (PyPI), Python 3.11, with all defaults of the router.
#
# Behaviour: a model has two deployments, both in good health. A failed request puts its deployment
# aside for 5 s, and not only after the host's own faults: 404 and 401 count as well, at the first
# time. So a few requests that name a file which is gone, or which one user may not read, refuse the model
# to all: "No deployments available", 429, which tells clients that they were too fast. A 400 does not count.
# The same without any mistake: a deployment named `openai/…` is asked on /v1/responses once a client speaks
# Anthropic's format, as Claude Code does. Of a host that has chat completions alone, it gets a 404;
# and while it is sent again, nobody gets answers by chat completions either.
#
# Seen on 2026-11-29, one user after the other:
#   400 for one user      the others: 200
#   404 for one user      the others: 429 No deployments available
#   401 for one user      the others: 429 No deployments available
#   /v1/messages of one   asks /v1/responses  the others: 429 No deployments available
#   the same after 6 s    the others: 200
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${proxy:-}" "${host:-}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
mkdir home
export HOME="$folder/home" LITELLM_LOCAL_MODEL_COST_MAP=True
python3 -m venv py
py/bin/pip install -q --no-compile --disable-pip-version-check 'litellm[proxy]==1.108.7'

# A host with chat completions alone. A prompt that is a number is refused with this status.
cat > host.py <<'PYTHON'
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        open("asked", "a").write(self.path + "\n")
        if not self.path.endswith("/chat/completions"):
            status, answer = 404, {"error": {"message": "Not found"}}
        elif (text := body["messages"][-1]["content"]) in ("400", "401", "404"):
            message = "File file-abc is not to be had."
            status, answer = int(text), {"error": {"message": message, "type": "invalid_request_error"}}
        else:
            message = {"role": "assistant", "content": "Hello."}
            status, answer = 200, {
                "id": "c", "object": "chat.completion", "created": 1, "model": "m",
                "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
                "usage": {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}}
        self.send_response(status)
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
  - {model_name: m, litellm_params: {model: openai/one, api_base: "http://127.0.0.1:$(cat port)/one/v1", api_key: x}}
  - {model_name: m, litellm_params: {model: openai/two, api_base: "http://127.0.0.1:$(cat port)/two/v1", api_key: x}}
general_settings: {master_key: sk-for-this-run-only}
litellm_settings: {telemetry: false}
YAML
free=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
py/bin/litellm --config config.yaml --host 127.0.0.1 --port "$free" > proxy.log 2>&1 & proxy=$!
until curl -s "127.0.0.1:$free/health/liveliness" > /dev/null; do kill -0 "$proxy"; sleep 0.5; done

cat > users.py <<'PYTHON'
import json
import sys
import time
import urllib.error
import urllib.request

def ask(text, api="chat/completions"):
    body = {"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": text}]}
    headers = {"content-type": "application/json", "authorization": "Bearer sk-for-this-run-only"}
    request = urllib.request.Request(
        f"http://127.0.0.1:{sys.argv[1]}/v1/{api}", json.dumps(body).encode(), headers)
    try:
        return urllib.request.urlopen(request, timeout=60).status, ""
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()

def others():
    status, text = ask("Hello")
    return f"{status} No deployments available" if "No deployments available" in text else status

ask("Hello")
for status in ("400", "404", "401"):
    for _ in range(4):
        ask(status)
    print(f"{status + ' for one user':20}  the others: {others()}", flush=True)
    time.sleep(6)
open("asked", "w").close()
for _ in range(4):
    ask("Hello", "messages")
paths = {line.strip().split("/", 2)[2] for line in open("asked")}
print(f"{'/v1/messages of one':20}  asks /{'/'.join(sorted(paths))}  the others: {others()}", flush=True)
time.sleep(6)
print(f"{'the same after 6 s':20}  the others: {others()}")
PYTHON
timeout 120 python3 users.py "$free" | tee seen

diff - seen <<'EXPECTED'
400 for one user      the others: 200
404 for one user      the others: 429 No deployments available
401 for one user      the others: 429 No deployments available
/v1/messages of one   asks /v1/responses  the others: 429 No deployments available
the same after 6 s    the others: 200
EXPECTED
