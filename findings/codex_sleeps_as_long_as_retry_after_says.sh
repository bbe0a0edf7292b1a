#!/bin/bash
# Codex sleeps as long as `retry-after` says, without a bound and without saying so.
#
# Version: @openai/codex 0.171.0 (npm), with a server on loopback that refuses every request.
#
# Behaviour: on an error that is not 429, Codex retries five times, within seconds. A `retry-after`
# in the response makes it wait exactly that long before the first retry; it prints
# "Reconnecting... 1/5" and nothing about the wait, and the error's own text is not shown before the
# last retry. The SDKs of OpenAI ignore a value above a minute. So a gateway that says when a spent
# budget is filled again, as RFC 9110 has it, leaves its user waiting. After 429 with
# `insufficient_quota` it ends at once, whatever the header says.
#
# Seen on 2026-11-29:
#   402                     ends   6 requests  the text is shown
#   402 retry-after: 40     waits  1 requests  the text is not shown
#   429 retry-after: 40     ends   1 requests  the text is not shown
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund "@openai/codex@0.171.0"

cat > server.py <<'PYTHON'
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

status, wait = int(sys.argv[1]), sys.argv[2]
error = {"message": "the budget of today is spent", "type": "insufficient_quota",
         "code": "insufficient_quota", "param": None}
body = json.dumps({"error": error}).encode()

class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_error(404)

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        open("requests", "a").write("x\n")
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        if wait:
            self.send_header("retry-after", wait)
        self.end_headers()
        self.wfile.write(body)

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
open("port", "w").write(str(server.server_port))
server.serve_forever()
PYTHON

run() { # STATUS RETRY_AFTER
  rm -rf home work requests port && mkdir -p home/.codex work
  touch requests
  python3 server.py "$1" "$2" & server=$!
  while [ ! -s port ]; do sleep 0.1; done
  cat > home/.codex/config.toml <<TOML
model = "m"
model_provider = "local"
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
    NO_PROXY=127.0.0.1 timeout 30 ../node_modules/.bin/codex exec --skip-git-repo-check hi \
    < /dev/null > ../answer 2> ../errors) || code=$?
  kill "$server"
  wait "$server" 2>/dev/null || true
  what=$([ "$code" = 124 ] && echo waits || echo "ends ")
  shown=$(grep -q "budget of today is spent" answer errors && echo "is shown" || echo "is not shown")
  printf '%-22s  %s  %s requests  the text %s\n' \
    "$1${2:+ retry-after: $2}" "$what" "$(wc -l < requests)" "$shown"
}
{ run 402 ""; run 402 40; run 429 40; } | tee seen

diff - seen <<'EXPECTED'
402                     ends   6 requests  the text is shown
402 retry-after: 40     waits  1 requests  the text is not shown
429 retry-after: 40     ends   1 requests  the text is not shown
EXPECTED
