#!/bin/bash
# llama.cpp honours a JSON schema and reports a cut answer by one of its three APIs only.
#
# Version: llama.cpp's HTTP server as in xllamacpp 2026.10.11549 (PyPI).
#
# Behaviour: the same model, server and question by /v1/chat/completions, /v1/responses and
# /v1/messages. A schema is enforced where it comes as `response_format`; `text.format` of the
# Responses API and `output_config.format` of the Messages API are accepted and ignored: status 200,
# plain text, nothing said. An answer that the output limit cut off, or the end of the context window,
# has finish reason "length" in one API and stop reason "max_tokens" in another; in the Responses API,
# whole or streamed, its status is "completed" (not "incomplete"), without `incomplete_details`: a
# client cannot tell it from a finished one. An answer that a stop sequence ended has
# stop reason "end_turn" in the Messages API, whose own server says "stop_sequence".
#
# Seen on 2026-11-29:
#   chat/completions  schema: followed  limit: length      full window: length
#   responses         schema: ignored   limit: completed   full window: completed
#   messages          schema: ignored   limit: max_tokens  full window: max_tokens
#   responses, streamed, limit: response.completed
#   messages, stop sequence " is": end_turn
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'kill "${llama:-}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv py
py/bin/pip install -q --disable-pip-version-check xllamacpp==2026.10.11549

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
until [ -s port ]; do kill -0 "$llama"; sleep 0.1; done

cat > ask.py <<'PYTHON'
import json
import sys
import urllib.request

SCHEMA = {"type": "object", "properties": {"city": {"type": "string", "enum": ["Paris"]}},
          "required": ["city"], "additionalProperties": False}
NAMED = {"name": "place", "strict": True, "schema": SCHEMA}
# By API: where the question, the schema and the output limit stand.
ASKS = {
    "chat/completions": (
        lambda text: {"messages": [{"role": "user", "content": text}]},
        {"response_format": {"type": "json_schema", "json_schema": NAMED}}, "max_tokens"),
    "responses": (
        lambda text: {"input": text},
        {"text": {"format": {"type": "json_schema", **NAMED}}}, "max_output_tokens"),
    "messages": (
        lambda text: {"messages": [{"role": "user", "content": text}]},
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}, "max_tokens"),
}

def post(api, body):
    url = f"http://127.0.0.1:{open('port').read()}/v1/{api}"
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(url, json.dumps({"model": "m", **body}).encode(), headers)
    return urllib.request.urlopen(request, timeout=60).read().decode()

def answer(api, body):
    whole = json.loads(post(api, body))
    if api == "chat/completions":
        choice = whole["choices"][0]
        return choice["message"]["content"], choice["finish_reason"]
    if api == "responses":
        return whole["output"][0]["content"][0]["text"], whole["status"]
    return whole["content"][0]["text"], whole["stop_reason"]

def follows(text):
    try:
        return json.loads(text) == {"city": "Paris"}
    except ValueError:
        return False

seen = []
for api, (question, schema, limit) in ASKS.items():
    text, _ = answer(api, {**question("Which city?"), **schema, limit: 500})
    _, cut = answer(api, {**question("Which city?"), limit: 3})
    _, full = answer(api, {**question("x" * 1014), limit: 500})  # a token is one byte: 4 are left
    seen.append(f"{api:17} schema: {'followed' if follows(text) else 'ignored':9} "
                f"limit: {cut:11} full window: {full}")
stream = post("responses", {"input": "Which city?", "max_output_tokens": 3, "stream": True})
last = [line[7:] for line in stream.splitlines() if line.startswith("event: ")][-1]
seen.append(f"responses, streamed, limit: {last}")
question = {**ASKS["messages"][0]("Which city?"), "max_tokens": 500, "stop_sequences": [" is"]}
seen.append(f'messages, stop sequence " is": {answer("messages", question)[1]}')
print("\n".join(seen))
PYTHON
python3 ask.py | tee seen

diff - seen <<'EXPECTED'
chat/completions  schema: followed  limit: length      full window: length
responses         schema: ignored   limit: completed   full window: completed
messages          schema: ignored   limit: max_tokens  full window: max_tokens
responses, streamed, limit: response.completed
messages, stop sequence " is": end_turn
EXPECTED
