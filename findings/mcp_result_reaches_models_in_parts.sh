#!/bin/bash
# Of an MCP result with text, an image and structured content, each agent shows its model another part.
#
# Versions: @openai/codex 0.171.0 and @anthropic-ai/claude-code 2.1.332 (npm), openai-agents 0.24.0
# (PyPI), with a bare server on mcp 2.3.0 (PyPI).
#
# Behaviour: a tool draws a plot. Its result holds a text and an image as `content` and, where the tool
# is "plot_measured", the plot's size as `structuredContent`. Without structured content all three
# agents pass text and image on. With it, Codex's model sees the structured content alone: text and
# image are gone. Claude Code's model sees structured content and image, but not the text. The Agents
# SDK passes text and image on and leaves the structured content out. No agent warns, and the server
# is not told. So a server that adds structured content to a result takes the image from Codex's
# model and the text from Claude Code's.
#
# Seen on 2026-11-29:
#   codex          plot           text image
#   codex          plot_measured  structured
#   claude         plot           text image
#   claude         plot_measured  image structured
#   openai_agents  plot           text image
#   openai_agents  plot_measured  text image
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${provider:-}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv py
py/bin/pip install -q --no-compile --disable-pip-version-check mcp==2.3.0 openai-agents==0.24.0
npm install --silent --no-audit --no-fund @openai/codex@0.171.0 @anthropic-ai/claude-code@2.1.332

cat > server.py <<'PYTHON'
import asyncio
import base64
import struct
import zlib

import mcp_types as types
from mcp.server import Server
from mcp.server.stdio import stdio_server

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

HEAD = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
PIXELS = chunk(b"IDAT", zlib.compress((b"\0" + b"\xff\0\0" * 8) * 8))  # red
IMAGE = base64.b64encode(b"\x89PNG\r\n\x1a\n" + HEAD + PIXELS + chunk(b"IEND", b"")).decode()

async def list_tools(_, __):
    nothing = {"type": "object", "properties": {}}
    return types.ListToolsResult(tools=[
        types.Tool(name=name, description="Draw a plot.", input_schema=nothing)
        for name in ("plot", "plot_measured")])

async def call_tool(_, call):
    content = [types.TextContent(type="text", text="Sales of the year."),
               types.ImageContent(type="image", data=IMAGE, mime_type="image/png")]
    measures = {"width": 8} if call.name == "plot_measured" else None
    return types.CallToolResult(content=content, structured_content=measures)

async def main():
    server = Server("draw", on_list_tools=list_tools, on_call_tool=call_tool)
    async with stdio_server() as (reader, writer):
        await server.run(reader, writer, server.create_initialization_options())

asyncio.run(main())
PYTHON

# A model that calls the tool which the prompt names and answers "ok" once it has a result; what it
# is shown of the result goes to the file "shown".
cat > provider.py <<'PYTHON'
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

def event(kind, **data):
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()

def responses(body):
    for item in body["input"]:
        if item.get("type") == "function_call_output":
            open("shown", "w").write(json.dumps(item["output"]))
            text = {"type": "output_text", "text": "ok", "annotations": []}
            done = {"type": "message", "id": "msg_1", "role": "assistant", "content": [text]}
            break
    else:
        done = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": wanted(body),
                "arguments": "{}"}
        if any(tool["type"] == "namespace" for tool in body["tools"]):
            done["namespace"] = "mcp__draw"
    done["status"] = "completed"
    usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2,
             "input_tokens_details": {"cached_tokens": 0},
             "output_tokens_details": {"reasoning_tokens": 0}}
    response = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "output": [done],
                "parallel_tool_calls": False, "tool_choice": "auto", "tools": []}
    yield event("response.created", sequence_number=0,
                response={**response, "status": "in_progress", "output": []})
    yield event("response.output_item.done", sequence_number=1, output_index=0, item=done)
    yield event("response.completed", sequence_number=2,
                response={**response, "status": "completed", "usage": usage})

def messages(body):
    usage = {"input_tokens": 1, "output_tokens": 1}
    blocks = [b for m in body["messages"] if isinstance(m["content"], list) for b in m["content"]]
    results = [b["content"] for b in blocks if b["type"] == "tool_result"]
    name = "mcp__draw__" + wanted(body)
    if results:
        open("shown", "w").write(json.dumps(results[0]))
    if results or name not in [tool["name"] for tool in body.get("tools", [])]:
        block, delta, stop = {"type": "text", "text": ""}, {"type": "text_delta", "text": "ok"}, "end_turn"
    else:
        block = {"type": "tool_use", "id": "toolu_1", "name": name, "input": {}}
        delta, stop = {"type": "input_json_delta", "partial_json": "{}"}, "tool_use"
    yield event("message_start", message={
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": usage})
    yield event("content_block_start", index=0, content_block=block)
    yield event("content_block_delta", index=0, delta=delta)
    yield event("content_block_stop", index=0)
    yield event("message_delta", delta={"stop_reason": stop, "stop_sequence": None}, usage=usage)
    yield event("message_stop")

def wanted(body):
    return "plot_measured" if "with its size" in json.dumps(body) else "plot"

class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        make = {"responses": responses, "messages": messages}.get(self.path.split("?")[0].split("/")[-1])
        if not make:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self.wfile.write(b"".join(make(body)))

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
open("port", "w").write(str(server.server_port))
server.serve_forever()
PYTHON
python3 provider.py 2> provider.log & provider=$!
until [ -s port ]; do sleep 0.1; done
url="http://127.0.0.1:$(cat port)"
mkdir -p home/.codex work
alone() { # an agent with this folder as its home and nothing else to reach
  env -i PATH="$PATH" HOME="$folder/home" HTTPS_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1 timeout 60 "$@"
}

cat > home/.codex/config.toml <<TOML
model = "m"
model_provider = "scripted"
check_for_update_on_startup = false
[analytics]
enabled = false
[model_providers.scripted]
name = "scripted"
base_url = "$url/v1"
wire_api = "responses"
[mcp_servers.draw]
command = "$folder/py/bin/python"
args = ["$folder/server.py"]
required = true
default_tools_approval_mode = "approve"
TOML
codex() {
  alone ../node_modules/.bin/codex exec --skip-git-repo-check "$1"
}

cat > servers.json <<JSON
{"mcpServers": {"draw": {
  "command": "$folder/py/bin/python", "args": ["$folder/server.py"], "alwaysLoad": true}}}
JSON
claude() {
  alone env ANTHROPIC_BASE_URL="$url" ANTHROPIC_API_KEY=none ANTHROPIC_MODEL=m DISABLE_TELEMETRY=1 \
    DISABLE_AUTOUPDATER=1 CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 \
    ../node_modules/.bin/claude -p "$1" --strict-mcp-config --mcp-config ../servers.json \
    --allowedTools mcp__draw__plot,mcp__draw__plot_measured
}

cat > agent.py <<'PYTHON'
import asyncio
import sys

from agents import Agent, OpenAIResponsesModel, Runner, set_tracing_disabled
from agents.mcp import MCPServerStdio
from openai import AsyncOpenAI

async def main(prompt, url, folder):
    set_tracing_disabled(True)
    model = OpenAIResponsesModel("m", AsyncOpenAI(base_url=url + "/v1", api_key="x"))
    command = {"command": sys.executable, "args": [folder + "/server.py"]}
    async with MCPServerStdio(params=command, client_session_timeout_seconds=60) as server:
        run = Runner.run_streamed(Agent(name="a", model=model, mcp_servers=[server]), prompt)
        async for _ in run.stream_events():
            pass

asyncio.run(main(*sys.argv[1:]))
PYTHON
openai_agents() {
  alone ../py/bin/python ../agent.py "$1" "$url" "$folder"
}

turn() { # AGENT TOOL PROMPT
  rm -f shown
  (cd work; "$1" "$3" < /dev/null > ../answer 2> ../errors) || { cat answer errors; exit 1; }
  python3 - "$1" "$2" <<'PYTHON'
import sys
shown = open("shown").read()
parts = {"text": "Sales of the year.", "image": "iVBORw0KGgo", "structured": "width"}
found = " ".join(part for part, sign in parts.items() if sign in shown)
print(f"{sys.argv[1]:14} {sys.argv[2]:14} {found}")
PYTHON
}
for agent in codex claude openai_agents; do
  turn "$agent" plot "Draw a plot."
  turn "$agent" plot_measured "Draw a plot with its size."
done | tee seen

diff - seen <<'EXPECTED'
codex          plot           text image
codex          plot_measured  structured
claude         plot           text image
claude         plot_measured  image structured
openai_agents  plot           text image
openai_agents  plot_measured  text image
EXPECTED
