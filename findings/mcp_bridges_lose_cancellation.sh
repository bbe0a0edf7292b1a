#!/bin/bash
# Behind the common bridges of MCP, a call that its client has cancelled runs on.
#
# Versions: mcp-proxy 0.13.0 with mcp 1.30.0 (PyPI), supergateway 4.0.0 and mcp-remote 0.15.1 (npm);
# client and server on mcp 2.3.0 (PyPI).
#
# Behaviour: a tool reports its progress. The client calls it, then calls it again, for four seconds, and
# cancels that call (`notifications/cancelled`) once it runs. Without a bridge, over stdio and over
# streamable HTTP, the tool is cancelled. mcp-proxy passes no cancellation on, whichever side is HTTP,
# and in front of a stdio server no progress either. supergateway in front of an HTTP server passes
# neither on. In front of a stdio server it starts, unless `--stateful` is given, a process of the
# server for each HTTP message of a session: the cancellation goes to another process than the call,
# and what the server keeps of a session is gone with the next message. mcp-remote passes both on. So
# a tool that costs money goes on costing after its user has stopped it, and a client whose timeout
# is extended by progress gives up on a long call.
#
# Seen on 2026-11-29:
#   none, stdio                         progress yes  cancelled yes  one process
#   none, http                          progress yes  cancelled yes  one process
#   mcp-proxy, stdio to http            progress no   cancelled no   one process
#   mcp-proxy, http to stdio            progress yes  cancelled no   one process
#   supergateway, stdio to http         progress yes  cancelled no   one process for each message
#   supergateway --stateful             progress yes  cancelled yes  one process
#   supergateway, http to stdio         progress no   cancelled no   one process
#   mcp-remote, http to stdio           progress yes  cancelled yes  one process
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${http:-}" "${bridge:-}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv py
py/bin/pip install -q --no-compile --disable-pip-version-check mcp==2.3.0
python3 -m venv proxy
proxy/bin/pip install -q --no-compile --disable-pip-version-check mcp-proxy==0.13.0 mcp==1.30.0
npm install --silent --no-audit --no-fund supergateway@4.0.0 mcp-remote@0.15.1
mkdir home
export HOME="$folder/home"

# Notes in the file "log" when it starts, is called, is cancelled or ends. With a file's name as its
# argument it serves streamable HTTP on a free port, which it writes into that file.
cat > server.py <<'PYTHON'
import asyncio
import socket
import sys
from pathlib import Path

import mcp_types as types
import uvicorn
from mcp.server import Server
from mcp.server.stdio import stdio_server

LOG = Path(__file__).with_name("log")

def note(word):
    with LOG.open("a") as file:
        file.write(word + "\n")

async def list_tools(_, __):
    schema = {"type": "object", "properties": {"steps": {"type": "integer"}}, "required": ["steps"]}
    return types.ListToolsResult(tools=[types.Tool(name="slow", description="Slow.", input_schema=schema)])

async def call_tool(context, call):
    note("called")
    steps = call.arguments["steps"]
    try:
        for step in range(steps):
            await context.session.report_progress(step, steps)
            await asyncio.sleep(0.5)
    except asyncio.CancelledError:
        note("cancelled")
        raise
    note("done")
    return types.CallToolResult(content=[types.TextContent(type="text", text="done")])

async def main():
    server = Server("slow", on_list_tools=list_tools, on_call_tool=call_tool)
    if sys.argv[1:]:
        listener = socket.create_server(("127.0.0.1", 0))
        Path(sys.argv[1]).write_text(str(listener.getsockname()[1]))
        config = uvicorn.Config(server.streamable_http_app(), log_level="error")
        await uvicorn.Server(config).serve(sockets=[listener])
        return
    note("started")
    async with stdio_server() as (reader, writer):
        await server.run(reader, writer, server.create_initialization_options())

asyncio.run(main())
PYTHON

cat > client.py <<'PYTHON'
import asyncio
import os
import sys
from pathlib import Path

import anyio
from mcp.client.session import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

LOG = Path("log")

async def until(condition):
    for _ in range(400):
        words = LOG.read_text().split() if LOG.exists() else []
        if condition(words):
            return words
        await asyncio.sleep(0.05)
    raise SystemExit(f"no end in 20 s: {words}")

async def main(label, target, *arguments):
    if target.startswith("http:"):
        transport = streamable_http_client(target)
    else:
        stdio = StdioServerParameters(command=target, args=list(arguments), env=dict(os.environ))
        transport = stdio_client(stdio, errlog=open(os.devnull, "w"))
    seen = []

    async def progress(*step):
        seen.append(step)

    async with transport as streams, ClientSession(streams[0], streams[1]) as session:
        await session.initialize()
        await session.call_tool("slow", {"steps": 2}, progress_callback=progress)
        with anyio.CancelScope() as scope:
            async with asyncio.TaskGroup() as group:
                call = group.create_task(session.call_tool("slow", {"steps": 8}))
                await until(lambda words: words.count("called") == 2)
                call.cancel()
        words = await until(lambda words: words.count("done") == 2 or "cancelled" in words)
    started = "one process" + (" for each message" if words.count("started") > 2 else "")
    print(f"{label:34}  progress {'yes' if seen else 'no':3}  "
          f"cancelled {'yes' if 'cancelled' in words else 'no':3}  {started}")

asyncio.run(main(*sys.argv[1:]))
PYTHON

python="$folder/py/bin/python"
"$python" server.py http.port 2> http.log & http=$!
until [ -s http.port ]; do kill -0 "$http"; sleep 0.1; done
url="http://127.0.0.1:$(cat http.port)/mcp"

ask() { # LABEL TARGET...
  rm -f log
  "$python" client.py "$@"
}
behind() { # LABEL BRIDGE...: "PORT" stands for a free port
  port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
  "${@:2:$#-1}" "$port" > bridge.log 2>&1 & bridge=$!
  until python3 -c "import socket; socket.create_connection(('127.0.0.1', $port))" 2> /dev/null; do
    kill -0 "$bridge"
    sleep 0.2
  done
  ask "$1" "http://127.0.0.1:$port/mcp"
  kill "$bridge"
  wait "$bridge" || true
}
modules="$folder/node_modules"
gateway=(node "$modules/supergateway/dist/index.js" --logLevel none)
to_http=("${gateway[@]}" --outputTransport streamableHttp --stdio "$python $folder/server.py")
{
  ask "none, stdio" "$python" "$folder/server.py"
  ask "none, http" "$url"
  behind "mcp-proxy, stdio to http" proxy/bin/mcp-proxy "$python" "$folder/server.py" --port
  ask "mcp-proxy, http to stdio" proxy/bin/mcp-proxy --transport streamablehttp "$url"
  behind "supergateway, stdio to http" "${to_http[@]}" --port
  behind "supergateway --stateful" "${to_http[@]}" --stateful --port
  ask "supergateway, http to stdio" "${gateway[@]}" --streamableHttp "$url"
  ask "mcp-remote, http to stdio" node "$modules/mcp-remote/dist/proxy.js" "$url" \
    --transport http-only
} | tee seen

diff - seen <<'EXPECTED'
none, stdio                         progress yes  cancelled yes  one process
none, http                          progress yes  cancelled yes  one process
mcp-proxy, stdio to http            progress no   cancelled no   one process
mcp-proxy, http to stdio            progress yes  cancelled no   one process
supergateway, stdio to http         progress yes  cancelled no   one process for each message
supergateway --stateful             progress yes  cancelled yes  one process
supergateway, http to stdio         progress no   cancelled no   one process
mcp-remote, http to stdio           progress yes  cancelled yes  one process
EXPECTED
