#!/bin/bash
# Of an MCP tool's schema, Continue's model loses the definitions, Codex's the limits and defaults.
#
# Versions: @continuedev/cli 1.5.47, @openai/codex 0.171.0, @google/gemini-cli 0.61.0,
# opencode-ai 1.18.33 (npm), with a bare server on mcp 2.3.0; llguidance 1.9.1 (PyPI), a decoder that
# inference servers use to hold an answer to a schema.
#
# Behaviour: the SDK writes a parameter that is an enumeration as "$ref" to "$defs". Continue passes
# "properties" and "required" on and drops "$defs": the reference leads to nothing, the model does not see
# the choices, and the decoder refuses the schema. Codex drops minimum, maximum, pattern and default:
# the model has to guess what the server will refuse. Continue's model does not get the server's
# instructions either. Gemini CLI and opencode pass all of it on. No agent warns.
#
# Seen on 2026-11-29:
#   cn        choices no   limits yes  pattern yes  default yes  instructions no   decoder refuses
#   codex     choices yes  limits no   pattern no   default no   instructions yes  decoder accepts
#   gemini    choices yes  limits yes  pattern yes  default yes  instructions yes  decoder accepts
#   opencode  choices yes  limits yes  pattern yes  default yes  instructions yes  decoder accepts
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${provider:-}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv py
py/bin/pip install -q --no-compile --disable-pip-version-check mcp==2.3.0 llguidance==1.9.1
npm install --silent --no-audit --no-fund @continuedev/cli@1.5.47 @openai/codex@0.171.0 \
  @google/gemini-cli@0.61.0 opencode-ai@1.18.33

cat > server.py <<'PYTHON'
from enum import Enum
from typing import Annotated

from mcp.server import MCPServer
from pydantic import Field

server = MCPServer("cook", instructions="Give the dish in Latin.")

class Style(Enum):
    THICK = "thick"
    THIN = "thin"

@server.tool()
def cook_soup(
    dish: Annotated[str, Field(pattern="^[a-z]+$")],
    style: Style,
    plates: Annotated[int, Field(ge=11, le=22)] = 17,
) -> str:
    "Cook."
    return "ready"

server.run()
PYTHON

# A model that always answers "Hello."; keeps each request that offers the tool.
cat > provider.py <<'PYTHON'
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

def chat(model):
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": model}
    for delta, reason in (({"role": "assistant", "content": "Hello."}, None), ({}, "stop")):
        yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}

def responses(model):
    text = {"type": "output_text", "text": "Hello.", "annotations": []}
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [text]}
    base = {"id": "resp_1", "object": "response", "created_at": 1, "model": model, "output": [],
            "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    usage = {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12,
             "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    yield {"type": "response.created", "sequence_number": 0, "response": {**base, "status": "in_progress"}}
    yield {"type": "response.output_item.done", "sequence_number": 1, "output_index": 0, "item": item}
    yield {"type": "response.completed", "sequence_number": 2,
           "response": {**base, "status": "completed", "output": [item], "usage": usage}}

def gemini(_):
    content = {"role": "model", "parts": [{"text": "Hello."}]}
    yield {"candidates": [{"index": 0, "finishReason": "STOP", "content": content}],
           "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 3, "totalTokenCount": 12}}

APIS = {"chat/completions": chat, "v1/responses": responses, ":streamGenerateContent": gemini}

class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_error(404)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        path = self.path.split("?")[0]
        make = next((make for end, make in APIS.items() if path.endswith(end)), None)
        if make is None:
            self.send_error(404)
            return
        if b"cook_soup" in body:
            open("request.json", "wb").write(body)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for event in make(json.loads(body).get("model", "m")):
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
import shutil
import subprocess
from pathlib import Path

import llguidance

HERE = Path.cwd()
URL = f"http://127.0.0.1:{Path('port').read_text()}"
COMMAND, SERVER = str(HERE / "py/bin/python"), str(HERE / "server.py")

def put(path, what):
    path = HERE / "home" / path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(what if isinstance(what, str) else json.dumps(what))

def cn():
    model = {"name": "m", "provider": "openai", "model": "m", "apiBase": f"{URL}/v1", "apiKey": "x",
             "roles": ["chat"]}
    put("config.yaml", {"name": "x", "version": "1.0.0", "schema": "v1", "models": [model], "mcpServers": [
        {"name": "cook", "command": COMMAND, "args": [SERVER]}]})
    return (["cn", "--config", str(HERE / "home/config.yaml"), "--auto", "-p", "hi"],
            {"CONTINUE_TELEMETRY_ENABLED": "0"})

def codex():
    put(".codex/config.toml",
        'model = "m"\nmodel_provider = "up"\ncheck_for_update_on_startup = false\n[analytics]\nenabled = false\n'
        f'[model_providers.up]\nname = "up"\nbase_url = "{URL}/v1"\nwire_api = "responses"\n'
        f'[mcp_servers.cook]\ncommand = "{COMMAND}"\nargs = ["{SERVER}"]\nrequired = true\n')
    return ["codex", "exec", "--skip-git-repo-check", "hi"], {}

def gemini():
    put(".gemini/settings.json", {
        "security": {"auth": {"selectedType": "gemini-api-key"}}, "general": {"enableAutoUpdate": False},
        "privacy": {"usageStatisticsEnabled": False},
        "mcpServers": {"cook": {"command": COMMAND, "args": [SERVER], "trust": True}}})
    return (["gemini", "--skip-trust", "--yolo", "-m", "gemini-2.5-pro", "-p", "hi"],
            {"GEMINI_API_KEY": "x", "GOOGLE_GEMINI_BASE_URL": URL})

def opencode():
    put(".config/opencode/opencode.json", {
        "autoupdate": False, "share": "disabled", "model": "up/m", "small_model": "up/m",
        "mcp": {"cook": {"type": "local", "command": [COMMAND, SERVER], "enabled": True}},
        "provider": {"up": {"npm": "@ai-sdk/openai-compatible", "name": "up",
                            "options": {"baseURL": f"{URL}/v1", "apiKey": "x"},
                            "models": {"m": {"name": "m", "limit": {"context": 200000, "output": 8000}}}}}})
    return ["opencode", "run", "hi"], {"OPENCODE_DISABLE_MODELS_FETCH": "1"}

def tools(listed):
    for tool in listed:
        if "function" in tool:
            yield tool["function"]
        yield from tools(tool.get("tools", tool.get("functionDeclarations", [])))
        yield tool

for agent in (cn, codex, gemini, opencode):
    shutil.rmtree("home", ignore_errors=True)
    Path("home/work").mkdir(parents=True)
    Path("request.json").unlink(missing_ok=True)
    (program, *arguments), variables = agent()
    environment = {"PATH": os.environ["PATH"], "HOME": str(HERE / "home"), "TERM": "dumb",
                   "HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1", **variables}
    subprocess.run([HERE / "node_modules/.bin" / program, *arguments], cwd="home/work", env=environment,
                   stdin=subprocess.DEVNULL, capture_output=True, timeout=90)
    text = Path("request.json").read_text()
    tool = next(tool for tool in tools(json.loads(text)["tools"]) if "cook_soup" in tool.get("name", ""))
    schema = tool.get("parameters") or tool["parametersJsonSchema"]
    seen = json.dumps(schema)
    parts = {"choices": "thick" in seen, "limits": "22" in seen, "pattern": "a-z" in seen,
             "default": "17" in seen, "instructions": "Give the dish in Latin." in text}
    grammar = llguidance.LLMatcher.grammar_from_json_schema(schema)
    refused = llguidance.LLMatcher.validate_grammar(grammar)
    shown = "  ".join(f"{part} {'yes' if kept else 'no':3}" for part, kept in parts.items())
    print(f"{agent.__name__:8}  {shown}  decoder {'refuses' if refused else 'accepts'}", flush=True)
PYTHON
py/bin/python ask.py | tee seen

diff - seen <<'EXPECTED'
cn        choices no   limits yes  pattern yes  default yes  instructions no   decoder refuses
codex     choices yes  limits no   pattern no   default no   instructions yes  decoder accepts
gemini    choices yes  limits yes  pattern yes  default yes  instructions yes  decoder accepts
opencode  choices yes  limits yes  pattern yes  default yes  instructions yes  decoder accepts
EXPECTED
