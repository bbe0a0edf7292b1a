#!/bin/bash
# Agents in scripts end with status 0 after half an answer, a refusal or none, or ask up to ten times.
#
# Versions (npm): opencode-ai 1.18.33, @qwen-code/qwen-code 0.24.4, @google/gemini-cli 0.61.0,
# @continuedev/cli 1.5.47, @openai/codex 0.171.0, @anthropic-ai/claude-code 2.1.332; Node 20. Each gets
# one prompt without a terminal (`run`, `-p`, `exec`) and has one model, which always answers alike.
#
# Behaviour: the answer is whole, or cut off by the limit of output ("length", "MAX_TOKENS",
# "max_tokens", incomplete), or refused without a text ("content_filter", "SAFETY", "refusal"), or
# finished without a text. Half an answer is printed with status 0 by opencode, Qwen Code, Gemini CLI and
# Continue: a script takes it for the whole. Codex and Claude Code fail, and print nothing of it on
# standard output. A refusal gives status 0 and no output in Gemini CLI, whose reason is on standard
# error, and in Continue, which gives none. Refusals are asked for again: by Codex five times, by
# Qwen Code four times, by Gemini CLI three times. After a cut, Claude Code asks three more times. Qwen Code
# asks four more times to go on; so does the request by which it looks for memories behind
# each answer, which makes ten.
#
# Seen on 2026-11-29 (exit status, standard output, requests to the model, those for titles and
# memories included):
#   opencode  whole: 0 whole 2, cut: 0 half 2, refused: 1 nothing 2, empty: 0 nothing 2
#   qwen      whole: 0 whole 2, cut: 0 half 10, refused: 1 nothing 5, empty: 1 nothing 5
#   gemini    whole: 0 whole 1, cut: 0 half 1, refused: 0 nothing 4, empty: 0 nothing 4
#   cn        whole: 0 whole 1, cut: 0 half 1, refused: 0 nothing 1, empty: 0 nothing 1
#   codex     whole: 0 whole 1, cut: 1 nothing 1, refused: 1 nothing 6, empty: 0 nothing 1
#   claude    whole: 0 whole 1, cut: 1 an error 4, refused: 1 an error 2, empty: 0 nothing 2
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${provider:-}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund opencode-ai@1.18.33 @qwen-code/qwen-code@0.24.4 \
  @google/gemini-cli@0.61.0 @continuedev/cli@1.5.47 @openai/codex@0.171.0 @anthropic-ai/claude-code@2.1.332

# A model by four APIs; the path begins with the agent's name and the ending, e.g. /qwen/cut/v1.
cat > provider.py <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TEXT = {"whole": "Hello there", "cut": "Transfer 100 dollars to", "refused": "", "empty": ""}
LOCK = threading.Lock()

def chat(ending, text, model):
    finish = {"cut": "length", "refused": "content_filter"}.get(ending, "stop")
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": model}
    for delta, reason in (({"role": "assistant", "content": text}, None), ({}, finish)):
        yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    yield {**head, "choices": [], "usage": usage}

def responses(ending, text, model):
    reason = {"cut": "max_output_tokens", "refused": "content_filter"}.get(ending)
    status = "incomplete" if reason else "completed"
    base = {"id": "resp_1", "object": "response", "created_at": 1, "model": model, "output": [],
            "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    part = {"type": "output_text", "text": text, "annotations": []}
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": status, "content": [part]}
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    usage = {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12,
             "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    yield {"type": "response.created", "response": {**base, "status": "in_progress"}}
    if text:
        started = {**item, "status": "in_progress", "content": []}
        yield {"type": "response.output_item.added", "output_index": 0, "item": started}
        yield {"type": "response.content_part.added", **place, "part": {**part, "text": ""}}
        yield {"type": "response.output_text.delta", **place, "delta": text, "logprobs": []}
        yield {"type": "response.output_text.done", **place, "text": text, "logprobs": []}
        yield {"type": "response.content_part.done", **place, "part": part}
        yield {"type": "response.output_item.done", "output_index": 0, "item": item}
    yield {"type": f"response.{status}", "response": {
        **base, "status": status, "output": [item] if text else [], "usage": usage,
        "incomplete_details": {"reason": reason} if reason else None}}

def messages(ending, text, model):
    reason = {"cut": "max_tokens", "refused": "refusal"}.get(ending, "end_turn")
    yield {"type": "message_start", "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 9, "output_tokens": 1}}}
    if text:
        block, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": text}
        yield {"type": "content_block_start", "index": 0, "content_block": block}
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
        yield {"type": "content_block_stop", "index": 0}
    yield {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None},
           "usage": {"output_tokens": 3}}
    yield {"type": "message_stop"}

def gemini(ending, text, model):
    candidate = {"index": 0, "finishReason": {"cut": "MAX_TOKENS", "refused": "SAFETY"}.get(ending, "STOP")}
    if text:
        candidate["content"] = {"role": "model", "parts": [{"text": text}]}
    counts = {"promptTokenCount": 9, "candidatesTokenCount": 3, "totalTokenCount": 12}
    yield {"candidates": [candidate], "usageMetadata": counts, "modelVersion": "m"}

APIS = {"chat/completions": chat, "v1/responses": responses, "v1/messages": messages,
        ":streamGenerateContent": gemini}

class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_error(404)

    do_HEAD = do_GET

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        path = self.path.split("?")[0]
        make = next((make for end, make in APIS.items() if path.endswith(end)), None)
        if make is None:
            self.send_error(404)
            return
        agent, ending = path.split("/")[1:3]
        with LOCK, open(f"{agent}.{ending}.requests", "a") as file:
            file.write("x")
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for number, event in enumerate(make(ending, TEXT[ending], body.get("model", "m"))):
            event = {**event, "sequence_number": number} if make is responses else event
            kind = f"event: {event['type']}\n" if "type" in event else ""
            self.wfile.write(f"{kind}data: {json.dumps(event)}\n\n".encode())
        if make is chat:
            self.wfile.write(b"data: [DONE]\n\n")

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
open("port", "w").write(str(server.server_port))
server.serve_forever()
PYTHON
python3 provider.py 2> provider.log & provider=$!
until [ -s port ]; do sleep 0.1; done

cat > ask.py <<'PYTHON'
import json
import os
import subprocess
import sys
from pathlib import Path

BIN = Path("node_modules/.bin").resolve()
HOST = f"http://127.0.0.1:{Path('port').read_text()}"

def put(path, what):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(what if isinstance(what, str) else json.dumps(what))

def opencode(home, url):
    put(home / ".config/opencode/opencode.json", {
        "autoupdate": False, "share": "disabled", "model": "up/m", "small_model": "up/m",
        "provider": {"up": {"npm": "@ai-sdk/openai-compatible", "name": "up",
                            "options": {"baseURL": f"{url}/v1", "apiKey": "x"},
                            "models": {"m": {"name": "m", "limit": {"context": 200000, "output": 8000}}}}}})
    return ["opencode", "run", "hi"], {"OPENCODE_DISABLE_MODELS_FETCH": "1"}

def qwen(home, url):
    put(home / ".qwen/settings.json", {"security": {"auth": {"selectedType": "openai"}},
                                       "privacy": {"usageStatisticsEnabled": False},
                                       "general": {"enableAutoUpdate": False}})
    return ["qwen", "-p", "hi"], {"OPENAI_API_KEY": "x", "OPENAI_BASE_URL": f"{url}/v1", "OPENAI_MODEL": "m"}

def gemini(home, url):
    put(home / ".gemini/settings.json", {"security": {"auth": {"selectedType": "gemini-api-key"}},
                                         "privacy": {"usageStatisticsEnabled": False},
                                         "general": {"enableAutoUpdate": False}})
    return (["gemini", "--skip-trust", "-m", "gemini-2.5-pro", "-p", "hi"],
            {"GEMINI_API_KEY": "x", "GOOGLE_GEMINI_BASE_URL": url})

def cn(home, url):
    model = {"name": "m", "provider": "openai", "model": "m", "apiBase": f"{url}/v1", "apiKey": "x",
             "roles": ["chat"]}
    put(home / "config.yaml", {"name": "x", "version": "1.0.0", "schema": "v1", "models": [model]})
    return ["cn", "--config", str(home / "config.yaml"), "-p", "hi"], {"CONTINUE_TELEMETRY_ENABLED": "0"}

def codex(home, url):
    put(home / ".codex/config.toml",
        'model = "m"\nmodel_provider = "up"\ncheck_for_update_on_startup = false\n'
        f'[analytics]\nenabled = false\n[model_providers.up]\nname = "up"\nbase_url = "{url}/v1"\n'
        'wire_api = "responses"\n')
    return ["codex", "exec", "--skip-git-repo-check", "hi"], {}

def claude(_, url):
    return (["claude", "-p", "hi", "--strict-mcp-config"],
            {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "none", "ANTHROPIC_MODEL": "claude-sonnet-5",
             "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1"})

def ask(agent, ending):
    home = Path("home", f"{agent.__name__}.{ending}").resolve()
    (home / "work").mkdir(parents=True)
    (program, *arguments), variables = agent(home, f"{HOST}/{agent.__name__}/{ending}")
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "dumb",
                   "HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1", **variables}
    run = subprocess.run([BIN / program, *arguments], cwd=home / "work", env=environment, text=True,
                         stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
    (home / "errors").write_text(run.stderr)
    text = run.stdout.strip()
    shown = {"": "nothing", "Hello there": "whole"}.get(text)
    shown = shown or ("half" if text.startswith("Transfer 100 dollars to") else "an error")
    requests = len(Path(f"{agent.__name__}.{ending}.requests").read_text())
    return f"{ending}: {run.returncode} {shown} {requests}"

agent = globals()[sys.argv[1]]
print(f"{agent.__name__:9}", ", ".join(ask(agent, ending) for ending in ("whole", "cut", "refused", "empty")))
PYTHON
agents="opencode qwen gemini cn codex claude"
for agent in $agents; do
  python3 ask.py "$agent" > "$agent.line" & asks="${asks:-} $!"
done
for ask in $asks; do wait "$ask"; done
for agent in $agents; do cat "$agent.line"; done | tee seen

diff - seen <<'EXPECTED'
opencode  whole: 0 whole 2, cut: 0 half 2, refused: 1 nothing 2, empty: 0 nothing 2
qwen      whole: 0 whole 2, cut: 0 half 10, refused: 1 nothing 5, empty: 1 nothing 5
gemini    whole: 0 whole 1, cut: 0 half 1, refused: 0 nothing 4, empty: 0 nothing 4
cn        whole: 0 whole 1, cut: 0 half 1, refused: 0 nothing 1, empty: 0 nothing 1
codex     whole: 0 whole 1, cut: 1 nothing 1, refused: 1 nothing 6, empty: 0 nothing 1
claude    whole: 0 whole 1, cut: 1 an error 4, refused: 1 an error 2, empty: 0 nothing 2
EXPECTED
