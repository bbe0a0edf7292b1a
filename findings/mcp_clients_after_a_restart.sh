#!/bin/bash
# After an MCP server's restart, most clients over HTTP fail at every call until they are restarted too.
#
# Versions: @google/gemini-cli 0.61.0, @continuedev/cli 1.5.47, @openai/codex 0.171.0,
# opencode-ai 1.18.33, @modelcontextprotocol/sdk 1.32.2, supergateway 4.0.0, mcp-remote 0.15.1 (npm);
# mcp-proxy 0.13.0 with mcp 1.30.0, agno 3.1.10 with fastmcp 4.1.6, mcp 2.3.0, which is the server's
# too (PyPI).
#
# Behaviour: a client calls a tool over streamable HTTP. The server is restarted, as by an update, and
# is reachable again before the client calls twice more. The server does not know the session any more and
# says so with 404, to which a client has to open a new one, by the specification since 2025-03-26.
# Codex and opencode do, and mcp-remote. Gemini CLI, Continue, Agno, the SDKs' sessions of
# Python and TypeScript and two bridges hold on to the lost session: each call returns an error
# ("Session not found") for as long as the agent runs. The model reads it as the tool's failure. Only a
# client of revision 2026-07-28, which has no sessions (`mcp.client.Client`), does not notice.
#
# Seen on 2026-11-29 (calls answered after the restart):
#   gemini            0 of 2
#   continue          0 of 2
#   codex             2 of 2
#   opencode          2 of 2
#   sdk, typescript   0 of 2
#   sdk, python       0 of 2
#   sdk, no sessions  2 of 2
#   agno              0 of 2
#   supergateway      0 of 2
#   mcp-proxy         0 of 2
#   mcp-remote        2 of 2
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${ask:-}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
mkdir home
python3 -m venv py
py/bin/pip install -q --no-compile --disable-pip-version-check mcp==2.3.0 agno==3.1.10 fastmcp==4.1.6
python3 -m venv proxy
proxy/bin/pip install -q --no-compile --disable-pip-version-check mcp-proxy==0.13.0 mcp==1.30.0
npm install --silent --no-audit --no-fund @google/gemini-cli@0.61.0 @continuedev/cli@1.5.47 \
  @openai/codex@0.171.0 opencode-ai@1.18.33 @modelcontextprotocol/sdk@1.32.2 supergateway@4.0.0 mcp-remote@0.15.1

# Notes each call in "calls".
cat > server.py <<'PYTHON'
import sys

import mcp_types as types
import uvicorn
from mcp.server import Server

async def list_tools(_, __):
    schema = {"type": "object", "properties": {"dish": {"type": "string"}}}
    return types.ListToolsResult(tools=[types.Tool(name="cook_soup", description="Cook.", input_schema=schema)])

async def call_tool(_, __):
    with open("calls", "a") as file:
        file.write("x")
    return types.CallToolResult(content=[types.TextContent(type="text", text="soup is ready")])

server = Server("cook", on_list_tools=list_tools, on_call_tool=call_tool)
uvicorn.run(server.streamable_http_app(), host="127.0.0.1", port=int(sys.argv[1]), log_level="critical")
PYTHON

# Calls the tool once for each line that it reads.
cat > client.mjs <<'JAVASCRIPT'
import { createInterface } from "node:readline";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const client = new Client({ name: "client", version: "1" });
await client.connect(new StreamableHTTPClientTransport(new URL(process.argv[2])));
for await (const _ of createInterface({ input: process.stdin })) {
  await client.callTool({ name: "cook_soup", arguments: { dish: "soup" } }).catch(() => {});
  console.log("called");
}
process.exit(0);
JAVASCRIPT

cat > ask.py <<'PYTHON'
import asyncio
import contextlib
import http.server
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

logging.disable()
HERE, BIN = Path.cwd(), Path("node_modules").resolve()
ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": str(HERE / "home"), "TERM": "dumb",
               "HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}

def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]

class Server:
    def __init__(self):
        self.port, self.process = free_port(), None
        self.url = f"http://127.0.0.1:{self.port}/mcp"

    def start(self):
        self.process = subprocess.Popen([sys.executable, "server.py", str(self.port)])
        for _ in range(300):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            time.sleep(0.1)
        raise SystemExit("the server does not listen")

    def stop(self):
        self.process.kill()
        self.process.wait()

    def restart(self):
        self.stop()
        Path("calls").write_text("")
        self.start()

SERVER = Server()

def model_of(agent_restarted):
    """A model that calls the tool, has the server restarted, calls twice more and ends."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            self.send_error(404)

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            text = json.dumps(body.get("messages") or body.get("input") or body.get("contents") or "")
            done = max(text.count(mark) for mark in
                       ('"role": "tool"', '"function_call_output"', '"functionResponse"'))
            name = next((tool for tool in names(body) if "cook_soup" in tool[0]), None)
            if name and done == 1 and not agent_restarted.is_set():
                SERVER.restart()
                agent_restarted.set()
            events = reply(self.path, name if done < 3 else None, done, body.get("model", "m"))
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            for event in events:
                kind = f"event: {event['type']}\n" if "type" in event else ""
                self.wfile.write(f"{kind}data: {json.dumps(event)}\n\n".encode())
            if "chat/completions" in self.path:
                self.wfile.write(b"data: [DONE]\n\n")

    return http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)

def names(body):
    for tool in body.get("tools", []):
        yield from ((inner["name"], tool["name"]) for inner in tool.get("tools", []))
        yield from ((inner["name"], None) for inner in tool.get("functionDeclarations", []))
        if "function" in tool:
            yield tool["function"]["name"], None

def reply(path, tool, number, model):
    arguments = {"dish": f"soup {number}"}
    if "enerateContent" in path:
        part = {"functionCall": {"name": tool[0], "args": arguments}} if tool else {"text": "Hello."}
        candidate = {"index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": [part]}}
        counts = {"promptTokenCount": 9, "candidatesTokenCount": 3, "totalTokenCount": 12}
        return [{"candidates": [candidate], "usageMetadata": counts}]
    if "chat/completions" in path:
        head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": model}
        call = {"index": 0, "id": f"call_{number}", "type": "function",
                "function": {"name": tool[0], "arguments": json.dumps(arguments)}} if tool else None
        delta = {"role": "assistant", **({"tool_calls": [call]} if tool else {"content": "Hello."})}
        return [{**head, "choices": [{"index": 0, "delta": part, "finish_reason": finish}]}
                for part, finish in ((delta, None), ({}, "tool_calls" if tool else "stop"))]
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": "Hello.", "annotations": []}]}
    if tool:
        item = {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}", "name": tool[0],
                "namespace": tool[1], "arguments": json.dumps(arguments), "status": "completed"}
    response = {"id": "resp_1", "object": "response", "created_at": 1, "model": model, "output": [item],
                "status": "completed", "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
                "usage": {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12,
                          "input_tokens_details": {"cached_tokens": 0},
                          "output_tokens_details": {"reasoning_tokens": 0}}}
    return [{"type": "response.created", "sequence_number": 0,
             "response": {**response, "status": "in_progress", "output": []}},
            {"type": "response.output_item.done", "sequence_number": 1, "output_index": 0, "item": item},
            {"type": "response.completed", "sequence_number": 2, "response": response}]

def put(path, what):
    path = HERE / "home" / path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(what if isinstance(what, str) else json.dumps(what))

def gemini(url):
    put(".gemini/settings.json", {
        "security": {"auth": {"selectedType": "gemini-api-key"}}, "general": {"enableAutoUpdate": False},
        "privacy": {"usageStatisticsEnabled": False},
        "mcpServers": {"cook": {"httpUrl": SERVER.url, "trust": True}}})
    return (["gemini", "--skip-trust", "--yolo", "-m", "gemini-2.5-pro", "-p", "hi"],
            {"GEMINI_API_KEY": "x", "GOOGLE_GEMINI_BASE_URL": url})

def cn(url):
    model = {"name": "m", "provider": "openai", "model": "m", "apiBase": f"{url}/v1", "apiKey": "x",
             "roles": ["chat"]}
    put("config.yaml", {"name": "x", "version": "1.0.0", "schema": "v1", "models": [model], "mcpServers": [
        {"name": "cook", "type": "streamable-http", "url": SERVER.url}]})
    return (["cn", "--config", str(HERE / "home/config.yaml"), "--auto", "-p", "hi"],
            {"CONTINUE_TELEMETRY_ENABLED": "0"})

def codex(url):
    put(".codex/config.toml",
        'model = "m"\nmodel_provider = "up"\ncheck_for_update_on_startup = false\n[analytics]\nenabled = false\n'
        f'[model_providers.up]\nname = "up"\nbase_url = "{url}/v1"\nwire_api = "responses"\n'
        f'[mcp_servers.cook]\nurl = "{SERVER.url}"\nrequired = true\ndefault_tools_approval_mode = "approve"\n')
    return ["codex", "exec", "--skip-git-repo-check", "hi"], {}

def opencode(url):
    put(".config/opencode/opencode.json", {
        "autoupdate": False, "share": "disabled", "model": "up/m", "small_model": "up/m", "permission": "allow",
        "mcp": {"cook": {"type": "remote", "url": SERVER.url, "enabled": True}},
        "provider": {"up": {"npm": "@ai-sdk/openai-compatible", "name": "up",
                            "options": {"baseURL": f"{url}/v1", "apiKey": "x"},
                            "models": {"m": {"name": "m", "limit": {"context": 200000, "output": 8000}}}}}})
    return ["opencode", "run", "hi"], {"OPENCODE_DISABLE_MODELS_FETCH": "1"}

async def agent(make):
    restarted = threading.Event()
    model = model_of(restarted)
    threading.Thread(target=model.serve_forever, daemon=True).start()
    (program, *arguments), variables = make(f"http://127.0.0.1:{model.server_port}")
    Path("home/work").mkdir(exist_ok=True)
    await asyncio.to_thread(
        subprocess.run, [BIN / ".bin" / program, *arguments], cwd=HERE / "home/work",
        env={**ENVIRONMENT, **variables}, stdin=subprocess.DEVNULL, capture_output=True, timeout=90)
    model.shutdown()
    if not restarted.is_set():
        raise SystemExit(f"{program} did not call the tool")

async def calls(call):
    """One call, the restart, two more."""
    await call()
    await asyncio.to_thread(SERVER.restart)
    for _ in range(2):
        with contextlib.suppress(Exception):
            await call()

async def session(transport):
    from mcp.client.session import ClientSession
    async with transport as streams, ClientSession(streams[0], streams[1]) as client:
        await client.initialize()
        await calls(lambda: client.call_tool("cook_soup", {"dish": "soup"}))

async def over_http():
    from mcp.client.streamable_http import streamable_http_client
    await session(streamable_http_client(SERVER.url))

async def without_sessions():
    from mcp.client import Client
    async with Client(SERVER.url) as client:
        await calls(lambda: client.call_tool("cook_soup", {"dish": "soup"}))

async def bridge(command, *arguments):
    from mcp.client.stdio import StdioServerParameters, stdio_client
    parameters = StdioServerParameters(command=command, args=list(arguments), env=ENVIRONMENT)
    with open(os.devnull, "w") as nowhere:
        await session(stdio_client(parameters, errlog=nowhere))

async def typescript():
    process = await asyncio.create_subprocess_exec(
        "node", "client.mjs", SERVER.url, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    async def call():
        process.stdin.write(b"call\n")
        await process.stdout.readline()

    await calls(call)
    process.stdin.close()
    await process.wait()

async def agno():
    from agno.tools.mcp import MCPTools
    async with MCPTools(url=SERVER.url, transport="streamable-http") as tools:
        await calls(lambda: tools.functions["cook_soup"].entrypoint(dish="soup"))

ASKED = {
    "gemini": lambda: agent(gemini), "continue": lambda: agent(cn), "codex": lambda: agent(codex),
    "opencode": lambda: agent(opencode), "sdk, typescript": typescript, "sdk, python": over_http,
    "sdk, no sessions": without_sessions, "agno": agno,
    "supergateway": lambda: bridge("node", str(BIN / "supergateway/dist/index.js"), "--logLevel", "none",
                                   "--streamableHttp", SERVER.url),
    "mcp-proxy": lambda: bridge(str(HERE / "proxy/bin/mcp-proxy"), "--transport", "streamablehttp", SERVER.url),
    "mcp-remote": lambda: bridge("node", str(BIN / "mcp-remote/dist/proxy.js"), SERVER.url,
                                 "--transport", "http-only"),
}

async def main():
    for name, run in ASKED.items():
        shutil.rmtree("home", ignore_errors=True)
        Path("home").mkdir()
        Path("calls").write_text("")
        SERVER.start()
        try:
            await asyncio.wait_for(run(), 100)
        finally:
            SERVER.stop()
        print(f"{name:16}  {len(Path('calls').read_text())} of 2", flush=True)

signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
asyncio.run(main())
PYTHON
py/bin/python ask.py > seen 2> errors & ask=$!
wait "$ask" || { cat seen; tail -5 errors; exit 1; }
cat seen

diff - seen <<'EXPECTED'
gemini            0 of 2
continue          0 of 2
codex             2 of 2
opencode          2 of 2
sdk, typescript   0 of 2
sdk, python       0 of 2
sdk, no sessions  2 of 2
agno              0 of 2
supergateway      0 of 2
mcp-proxy         0 of 2
mcp-remote        2 of 2
EXPECTED
