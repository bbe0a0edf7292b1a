#!/bin/bash
# `openclaw agent exec` runs none of an installed plugin's hooks, and says nothing about it.
#
# Versions: openclaw 2026.9.6 on node 26.10.0 (npm).
#
# Behaviour: a native plugin is installed, enabled and allowed to see conversations; its
# `before_model_resolve` hook moves every turn to another model. `openclaw agent --local` runs the
# hook: the turn goes to the model that it names. `openclaw agent exec`, with the same configuration,
# does not: the turn goes to the configured model, the exit status is 0 and no line names the plugin.
# Its documentation says that it runs against the ordinary configuration and that installed plugins
# resolve from the ordinary roots. A plugin that blocks, redacts or counts is thus skipped in CI, for
# which `agent exec` is recommended.
#
# Seen on 2026-11-29:
#   agent --local  hook ran 1 times  model small
#   agent exec     hook ran 0 times  model large
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${provider:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --prefix node node@26.10.0
export PATH="$folder/run/node_modules/.bin:$folder/node/node_modules/.bin:$PATH"
npm install --silent --no-audit --no-fund --prefix run openclaw@2026.9.6
export HOME="$folder/home" NO_PROXY=127.0.0.1
export HTTP_PROXY=http://127.0.0.1:9 HTTPS_PROXY=http://127.0.0.1:9
mkdir -p "$HOME/.openclaw" plugin

# A plugin with one hook, which leaves a line in a file whenever it runs.
cat > plugin/openclaw.plugin.json <<'JSON'
{"id": "mover", "name": "Mover", "version": "1.0.0", "description": "Moves every turn to the small model",
 "activation": {"onStartup": true}, "configSchema": {"type": "object", "additionalProperties": false}}
JSON
cat > plugin/package.json <<'JSON'
{"name": "mover", "version": "1.0.0", "type": "module", "openclaw": {"extensions": ["./index.js"]}}
JSON
cat > plugin/index.js <<JS
import { appendFileSync } from "node:fs";
export default {
  id: "mover", name: "Mover", description: "Moves every turn to the small model",
  register(api) {
    api.on("before_model_resolve", () => {
      appendFileSync("$folder/hook.log", "ran\n");
      return { providerOverride: "scripted", modelOverride: "small" };
    });
  },
};
JS

# A provider that answers "Hello." and keeps the names of the models asked for.
cat > provider.py <<'PYTHON'
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        model = json.loads(self.rfile.read(int(self.headers["content-length"])))["model"]
        with open("models.log", "a") as log:
            log.write(model + "\n")
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for delta, finish in (({"role": "assistant", "content": "Hello."}, None), ({}, "stop")):
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            chunk = {"id": "1", "object": "chat.completion.chunk", "model": model, "choices": [choice]}
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
PYTHON
python3 provider.py > port &
provider=$!
until [ -s port ]; do sleep 0.1; done
cat > "$HOME/.openclaw/openclaw.json" <<JSON
{"models": {"providers": {"scripted": {"baseUrl": "http://127.0.0.1:$(cat port)/v1", "apiKey": "none",
   "api": "openai-completions", "models": [{"id": "small", "name": "small"}, {"id": "large", "name": "large"}]}}},
 "agents": {"defaults": {"model": {"primary": "scripted/large"}}}}
JSON
openclaw plugins install ./plugin --force --accept-capabilities > install.log 2>&1
openclaw config set plugins.entries.mover.hooks.allowConversationAccess true > set.log 2>&1

turn() { # name, arguments …
  name=$1; shift
  : > hook.log; : > models.log
  timeout 100 openclaw "$@" > turn.log 2>&1
  printf '%-14s hook ran %s times  model %s\n' "$name" "$(wc -l < hook.log)" "$(tail -1 models.log)"
}
{
  turn "agent --local" agent --local --message "Hello there" --session-id one
  turn "agent exec" agent exec "Hello there"
} | tee seen
! grep -q mover turn.log
diff seen - <<'SEEN'
agent --local  hook ran 1 times  model small
agent exec     hook ran 0 times  model large
SEEN
