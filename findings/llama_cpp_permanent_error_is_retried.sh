#!/bin/bash
# A request that llama.cpp can never answer is sent three times by OpenAI's and Anthropic's SDKs.
#
# Versions: llama.cpp's HTTP server as in xllamacpp 2026.10.11549, openai 3.57.0 and
# anthropic 2.14.0 (PyPI).
#
# Behaviour: an image for a model that takes only text is refused with status 500 and the type
# `server_error`, on /v1/chat/completions as on /v1/messages. Both official SDKs take a 500 for a
# passing fault and send the request, image and all, three times before they raise InternalServerError.
# /v1/messages, which speaks Anthropic's format otherwise, refuses a prompt that is too long in
# OpenAI's shape: without `"type": "error"`, with a number as `code` and a type that Anthropic lacks.
#
# Seen on 2026-11-28:
#   openai, image: InternalServerError 500, sent 3 times
#   anthropic, image: InternalServerError 500, sent 3 times
#   anthropic, long prompt: BadRequestError 400, sent 1 times
#   its body: ['error'] error.type exceed_context_size_error
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'kill "${llama:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv py
py/bin/pip install -q --disable-pip-version-check xllamacpp==2026.10.11549 openai==3.57.0 anthropic==2.14.0

# A model of 300 kB that answers every prompt alike, with a window of 1,024 tokens.
cat > write_model.py <<'PYTHON'
from pathlib import Path
from e2e import tiny_model
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
parameters.n_ctx = 1024
parameters.n_parallel = 1
server = xllamacpp.Server(parameters)
open("port", "w").write(server.listening_address.rsplit(":", 1)[1])
signal.pause()
PYTHON
py/bin/python llama.py > llama.log 2>&1 & llama=$!
for _ in $(seq 300); do [ -s port ] && break; sleep 0.1; done

cat > ask.py <<'PYTHON'
import anthropic, openai

url = f"http://127.0.0.1:{open('port').read()}"
PIXEL = ("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJg"
         "gg==")
sent = []

def count(http):
    http.event_hooks = {"request": [sent.append]}
    return http

def tried(name, ask):
    sent.clear()
    try:
        ask()
    except (openai.APIStatusError, anthropic.APIStatusError) as error:
        print(f"{name}: {type(error).__name__} {error.status_code}, sent {len(sent)} times")
        return error

one = openai.OpenAI(base_url=url + "/v1", api_key="none", http_client=count(openai.DefaultHttpxClient()))
two = anthropic.Anthropic(base_url=url, api_key="none", http_client=count(anthropic.DefaultHttpxClient()))
image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + PIXEL}}
tried("openai, image", lambda: one.chat.completions.create(
    model="tiny", messages=[{"role": "user", "content": [image]}]))
source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
tried("anthropic, image", lambda: two.messages.create(
    model="tiny", max_tokens=9, messages=[{"role": "user", "content": [{"type": "image", "source": source}]}]))
error = tried("anthropic, long prompt", lambda: two.messages.create(
    model="tiny", max_tokens=9, messages=[{"role": "user", "content": "word " * 800}]))
body = error.body
print("its body:", sorted(body), "error.type", body["error"]["type"])
PYTHON
py/bin/python ask.py | tee seen

diff - seen <<'EXPECTED'
openai, image: InternalServerError 500, sent 3 times
anthropic, image: InternalServerError 500, sent 3 times
anthropic, long prompt: BadRequestError 400, sent 1 times
its body: ['error'] error.type exceed_context_size_error
EXPECTED
