#!/bin/bash
# One long request too many, and llama.cpp fails every request that it is answering, with a 500.
#
# Versions: llama.cpp's HTTP server as in xllamacpp 2026.10.11549, openai 3.57.0 (PyPI).
#
# Behaviour: with a unified KV cache, which `llama-server` switches on by itself where no number of
# slots is given, four requests run at once and share one window, but /slots gives each the whole of
# it. A request is admitted if it fits alone. When the sum no longer fits, the server does not let the
# newest wait or fail: all that are in progress end with "Context size has been exceeded.", a short
# answer to somebody else's question like the long ones. It is reported as the server's fault (500,
# `server_error`), so a program that reads the words takes it for a prompt that is too long, shortens
# the conversation and loses context for nothing; each of the requests succeeds when it is alone.
#
# Seen on 2026-11-29, window 8,192:
#   slots: 4 of 8192 tokens
#   alone:    short answered, long answered, long answered
#   together: short cut off "Context size has been exceeded." used less than 4096 tokens
#             long cut off "Context size has been exceeded." used less than 8192 tokens
#             last 500 server_error "Context size has been exceeded." of 5000 tokens
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'kill "${llama:-}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv py
py/bin/pip install -q --no-compile --disable-pip-version-check xllamacpp==2026.10.11549 openai==3.57.0

# A model of 300 kB whose tokens are the bytes of the prompt.
cat > write_model.py <<'PYTHON'
from pathlib import Path
from e2e import tiny_model
tiny_model.WINDOW = 8192
tiny_model.write(Path("tiny.gguf"))
PYTHON
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$here/../tests" python3 write_model.py

# What `llama-server -m tiny.gguf` chooses: four slots over one window.
cat > llama.py <<'PYTHON'
import signal
import xllamacpp
parameters = xllamacpp.CommonParams()
parameters.model.path = "tiny.gguf"
parameters.hostnames = ["127.0.0.1"]
parameters.port = 0
parameters.n_ctx = 8192
parameters.n_parallel = 4
parameters.kv_unified = True
server = xllamacpp.Server(parameters)
open("port", "w").write(server.listening_address.rsplit(":", 1)[1])
signal.pause()
PYTHON
py/bin/python llama.py > llama.log 2>&1 & llama=$!
until [ -s port ]; do kill -0 "$llama"; sleep 0.1; done

cat > ask.py <<'PYTHON'
import json
import urllib.request
import openai

url = f"http://127.0.0.1:{open('port').read()}"
client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)

def ask(letter, tokens, answer, stream=True):
    """Ask for `answer` tokens about a prompt of so many; a stream is past its first event."""
    messages = [{"role": "user", "content": letter * tokens}]
    response = client.chat.completions.create(
        model="m", messages=messages, max_tokens=answer, stream=stream, temperature=1.5,
        extra_body={"ignore_eos": True})
    if stream:
        next(response)
    return response

def outcome(stream):
    count = 0
    try:
        for event in stream:
            count += 1
            if event.choices and event.choices[0].finish_reason:
                return count, "answered"
    except openai.APIError as error:
        return count, f'cut off "{error.message}"'

slots = json.load(urllib.request.urlopen(f"{url}/slots"))
print(f"slots: {len(slots)} of {slots[0]['n_ctx']} tokens")
SHORT, LONG, LAST = ("a", 20, 4000), ("b", 4000, 4000), ("c", 5000, 100)
names = ("short", "long", "long")
alone = [outcome(ask(*request))[1] for request in (SHORT, LONG, LAST)]
print("alone:    " + ", ".join(map("{} {}".format, names, alone)))

short, long = ask(*SHORT), ask(*LONG)
try:
    last = f"last {ask(*LAST, stream=False).choices[0].finish_reason}"
except openai.InternalServerError as error:
    last = f'last {error.status_code} {error.body["type"]} "{error.body["message"]}" of {LAST[1]} tokens'
count, how = outcome(short)
print(f"together: short {how} used {'less' if count < 4000 else 'no less'} than 4096 tokens")
count, how = outcome(long)
print(f"          long {how} used {'less' if count + LONG[1] < 8100 else 'no less'} than 8192 tokens")
print(f"          {last}")
PYTHON
py/bin/python ask.py | tee seen

diff - seen <<'EXPECTED'
slots: 4 of 8192 tokens
alone:    short answered, long answered, long answered
together: short cut off "Context size has been exceeded." used less than 4096 tokens
          long cut off "Context size has been exceeded." used less than 8192 tokens
          last 500 server_error "Context size has been exceeded." of 5000 tokens
EXPECTED
