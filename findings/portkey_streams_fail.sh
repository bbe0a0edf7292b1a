#!/bin/bash
# Portkey's gateway from npm answers every streamed request with 500.
#
# Versions: @portkey-ai/gateway 1.15.2 with @hono/node-server 1.19.19 and hono 4.13.19 (npm), Node 20.
#
# Behaviour: started as its README says, the gateway answers requests in one piece. With
# "stream": true the upstream is asked, and billed, and answers 200; then the gateway tries to add
# headers to the response of fetch(), which Node forbids ("TypeError: immutable"), and the client
# receives 500 "Something went wrong".
#
# Second: where the response is replaced by a copy, which works around that, and the upstream's
# connection breaks in mid-stream, the client's stream ends in good order, without an error, a finish
# reason or [DONE].
#
# Third: of a request in the upstream's own dialect, fields that the gateway does not know are dropped
# without a word.
#
# Seen on 2026-11-29:
#   in one piece: 200
#   streamed: 500 {"status":"failure","message":"Something went wrong"}, upstream asked True
#   streamed, copied, reset: 200, ended in good order, done False, error False
#   sent on: vendor_option False
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${upstream:-}" "${plain:-}" "${copied:-}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund @portkey-ai/gateway@1.15.2 @hono/node-server@1.19.19 hono@4.13.19

cat > upstream.py <<'PYTHON'
import asyncio
import json

CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
HALF = {"index": 0, "delta": {"role": "assistant", "content": "Transfer 100 dollars to "}}
EVENT = b"data: " + json.dumps({**CHUNK, "choices": [{**HALF, "finish_reason": None}]}).encode()
WHOLE = json.dumps({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
    {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}]}).encode()

async def answer(reader, writer):
    head = await reader.readuntil(b"\r\n\r\n")
    body = await reader.readexactly(int(head.lower().split(b"content-length:")[1].split()[0]))
    open("asked.json", "wb").write(body)
    if not json.loads(body).get("stream"):
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n"
                     b"content-length: %d\r\n\r\n%b" % (len(WHOLE), WHOLE))
        await writer.drain()
        writer.close()
        return
    event = EVENT + b"\n\n"
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                 b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(event), event))
    await writer.drain()
    await asyncio.sleep(0.5)
    writer.transport.abort()

async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    open("upstream.port", "w").write(str(server.sockets[0].getsockname()[1]))
    await server.serve_forever()

asyncio.run(main())
PYTHON
python3 upstream.py & upstream=$!
until [ -s upstream.port ]; do sleep 0.1; done

cat > copy.mjs <<'JAVASCRIPT'
const fetched = globalThis.fetch;
const Native = globalThis.Response;
globalThis.fetch = async (...call) => {
  const { body, status, statusText, headers } = await fetched(...call);
  return new Native(body, { status, statusText, headers });
};
JAVASCRIPT
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
gateway=node_modules/@portkey-ai/gateway/build/start-server.js
one=$(free); NODE_ENV=production node $gateway --headless "--port=$one" > plain.log 2>&1 & plain=$!
two=$(free); NODE_ENV=production node --import ./copy.mjs $gateway --headless "--port=$two" > copied.log 2>&1 & copied=$!

cat > ask.py <<'PYTHON'
import http.client
import json
import os
import sys
import time

upstream = open("upstream.port").read()

def ask(port, stream):
    body = {"model": "m", "stream": stream, "vendor_option": 1,
            "messages": [{"role": "user", "content": "hi"}]}
    headers = {"authorization": "Bearer sk-x", "content-type": "application/json",
               "x-portkey-provider": "openai",
               "x-portkey-custom-host": f"http://127.0.0.1:{upstream}/v1"}
    until = time.monotonic() + 30
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
            break
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.3)
    response = connection.getresponse()
    try:
        return response.status, response.read().decode(), True
    except http.client.IncompleteRead as error:
        return response.status, error.partial.decode(), False

plain, copied = map(int, sys.argv[1:])
whole = ask(plain, False)
print(f"in one piece: {whole[0]}")
os.remove("asked.json")
failed = ask(plain, True)
asked = os.path.exists("asked.json")
print(f"streamed: {failed[0]} {failed[1]}, upstream asked {asked}")
cut = ask(copied, True)
done, error = "[DONE]" in cut[1], '"error"' in cut[1]
ended = "ended in good order" if cut[2] else "broken off"
print(f"streamed, copied, reset: {cut[0]}, {ended}, done {done}, error {error}")
kept = "vendor_option" in open("asked.json").read()
print(f"sent on: vendor_option {kept}")
as_seen = (whole[0], failed[0], asked, cut[0], cut[2], done, error, kept)
sys.exit(as_seen != (200, 500, True, 200, True, False, False, False))
PYTHON
python3 ask.py "$one" "$two"
