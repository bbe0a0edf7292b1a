#!/bin/bash
# LiteLLM's proxy ends a stream that was cut off as if the model had finished.
#
# Versions: litellm[proxy] 1.108.7 (PyPI), Python 3.11.
#
# Behaviour: an upstream sends half an answer and then ends the response in good order, but without
# a finish reason and without [DONE], as upstreams do whose worker died behind their own proxy. The
# proxy adds a chunk with finish_reason "stop" and [DONE]: the client cannot tell half an answer from
# a whole one. A stream without a single event becomes an empty answer with "stop", too. Only where
# the connection itself breaks does the client receive an error.
#
# Seen on 2026-11-29:
#   half:  text 'Transfer 100 dollars to ', finish stop, done True, error False
#   empty: text '', finish stop, done True, error False
#   reset: text 'Transfer 100 dollars to ', finish None, done False, error True
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${upstream:-}" "${proxy:-}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv py
py/bin/pip install -q --no-compile --disable-pip-version-check "litellm[proxy]==1.108.7"

cat > upstream.py <<'PYTHON'
import asyncio
import json

CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
HALF = {"index": 0, "delta": {"role": "assistant", "content": "Transfer 100 dollars to "}}
EVENT = b"data: " + json.dumps({**CHUNK, "choices": [{**HALF, "finish_reason": None}]}).encode()
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"

async def answer(reader, writer):
    head = await reader.readuntil(b"\r\n\r\n")
    if b"content-length:" not in head.lower():  # the proxy asks for more than answers
        writer.close()
        return
    body = await reader.readexactly(int(head.lower().split(b"content-length:")[1].split()[0]))
    writer.write(HEAD)
    if b"empty" not in body:
        event = EVENT + b"\n\n"
        writer.write(b"%x\r\n%b\r\n" % (len(event), event))
    await writer.drain()
    await asyncio.sleep(0.3)
    if b"reset" in body:
        writer.transport.abort()
        return
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    writer.close()

async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    open("upstream.port", "w").write(str(server.sockets[0].getsockname()[1]))
    await server.serve_forever()

asyncio.run(main())
PYTHON
python3 upstream.py & upstream=$!
until [ -s upstream.port ]; do sleep 0.1; done

cat > config.yaml <<YAML
model_list:
  - model_name: m
    litellm_params: {model: openai/m, api_base: "http://127.0.0.1:$(cat upstream.port)/v1", api_key: sk-x}
YAML
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export LITELLM_MASTER_KEY=sk-0123456789abcdef LITELLM_LOCAL_MODEL_COST_MAP=True LITELLM_LOG=ERROR
py/bin/litellm --config config.yaml --host 127.0.0.1 --port "$port" > proxy.log 2>&1 & proxy=$!

cat > ask.py <<'PYTHON'
import json
import sys
import time
import urllib.request

port, found = sys.argv[1], {}
for mode in ("half", "empty", "reset"):
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": mode}]}
    headers = {"authorization": "Bearer sk-0123456789abcdef", "content-type": "application/json"}
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    until = time.monotonic() + 90
    while True:
        try:
            request = urllib.request.Request(url, json.dumps(body).encode(), headers)
            stream = urllib.request.urlopen(request, timeout=30).read().decode()
            break
        except ConnectionError:
            raise
        except urllib.error.URLError:
            if time.monotonic() > until:
                raise
            time.sleep(0.5)
    events = [json.loads(l[6:]) for l in stream.splitlines() if l.startswith("data: {")]
    choices = [e["choices"][0] for e in events if e.get("choices")]
    text = "".join(c["delta"].get("content") or "" for c in choices)
    finish = next((c["finish_reason"] for c in choices if c.get("finish_reason")), None)
    found[mode] = (finish, "[DONE]" in stream, any("error" in e for e in events))
    print(f"{mode}: text {text!r}, finish {finish}, done {found[mode][1]}, error {found[mode][2]}")
expected = {
    "half": ("stop", True, False),
    "empty": ("stop", True, False),
    "reset": (None, False, True),
}
sys.exit(found != expected)
PYTHON
python3 ask.py "$port"
