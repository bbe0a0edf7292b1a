#!/bin/bash
# Under CrewAI's adapter and smolagents, no call of a tool whose options exclude each other can succeed.
#
# Versions: @modelcontextprotocol/server-filesystem 2026.8.31 (npm); crewai and crewai-tools 1.15.30 and
# smolagents 1.26.0 with mcpadapt 0.1.19 and mcp 1.30.0 (PyPI), Python 3.11.
#
# Behaviour: `read_text_file` of MCP's reference server takes a path and, optionally, "head" or "tail", a
# number each. A plain client reads a file by the path alone. crewai-tools' MCPServerAdapter tells the
# model that all three are required and may be null; whatever the model leaves out or sets to null is sent
# as null, which the server refuses. smolagents tells the model that all three are required and are
# numbers; it refuses null and absence itself, and both numbers at once the server refuses. So neither
# can read a file by this tool, and with other tools the model has to invent values for options that it
# does not want. CrewAI's own `mcps=[...]` leaves nulls out, and works; but it names tools after the
# command that starts the server, and behind a path of some length, the tool's own name is cut off.
#
# Seen on 2026-11-29 (required arguments in the schema that the model gets; what becomes of its call):
#   client          path              path alone: reads, nulls: refused, numbers: refused
#   crewai_adapter  head, path, tail  path alone: refused, nulls: refused, numbers: refused
#   crewai_mcps     head, path, tail  path alone: reads, nulls: reads, numbers: refused  named otherwise
#   smolagents      head, path, tail  path alone: not sent, nulls: not sent, numbers: refused
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${provider:-}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
mkdir home files
export HOME="$folder/home"
echo "flour, water" > files/soup.txt
npm install --silent --no-audit --no-fund @modelcontextprotocol/server-filesystem@2026.8.31
python3 -m venv py
py/bin/pip install -q --no-compile --disable-pip-version-check crewai==1.15.30 crewai-tools==1.15.30 \
  'smolagents[openai]==1.26.0' mcpadapt==0.1.19 mcp==1.30.0

# A model that calls the tool once in each conversation, with the arguments in the file "arguments".
cat > provider.py <<'PYTHON'
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

def turn(body):
    tools = (tool["function"] for tool in body.get("tools", []))
    tool = next((tool for tool in tools if "DEPRECATED" not in tool["description"]
                 and {"head", "tail"} <= tool["parameters"]["properties"].keys()), None)
    arguments = Path("arguments")
    if tool is None or not arguments.exists():
        return {"content": "Hello."}
    Path("tool.json").write_text(json.dumps(tool))
    call = {"name": tool["name"], "arguments": arguments.read_text()}
    arguments.unlink()
    return {"content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": call}]}

class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        message = {"role": "assistant", **turn(body)}
        choice = {"index": 0, "message": message,
                  "finish_reason": "tool_calls" if message.get("tool_calls") else "stop"}
        usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
        answer = json.dumps({"id": "c", "object": "chat.completion", "created": 1, "model": body["model"],
                             "choices": [choice], "usage": usage}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
Path("port").write_text(str(server.server_port))
server.serve_forever()
PYTHON
python3 provider.py & provider=$!
until [ -s port ]; do sleep 0.1; done

cat > ask.py <<'PYTHON'
import asyncio
import json
import os
import sys
import time
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
URL = f"http://127.0.0.1:{Path('port').read_text()}/v1"
SERVER = "node_modules/@modelcontextprotocol/server-filesystem/dist/index.js"
# Keeps what goes to the server and what comes back.
COMMAND, ARGUMENTS = "bash", ["-c", f"tee -a sent | node {Path(SERVER).absolute()} files | tee -a received"]
PATH = {"path": str(Path("files/soup.txt").absolute())}
CALLS = {"path alone": PATH, "nulls": {**PATH, "head": None, "tail": None},
         "numbers": {**PATH, "head": 5, "tail": 5}}
os.environ.update(CREWAI_DISABLE_TELEMETRY="true", CREWAI_TRACING_ENABLED="false", OTEL_SDK_DISABLED="true")

def parameters():
    from mcp import StdioServerParameters
    return StdioServerParameters(command=COMMAND, args=ARGUMENTS, env=dict(os.environ))

def client(ask):
    from mcp import ClientSession
    from mcp.client.stdio import stdio_client

    async def run():
        async with stdio_client(parameters()) as streams, ClientSession(*streams) as session:
            await session.initialize()
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            schema = tools["read_text_file"].inputSchema
            Path("tool.json").write_text(json.dumps({"name": "read_text_file", "parameters": schema}))
            for name, arguments in CALLS.items():
                before = len(results())
                await session.call_tool("read_text_file", arguments)
                ask.outcomes[name] = outcome(before)

    asyncio.run(run())

def crew_agent(**tools):
    from crewai import LLM, Agent
    model = LLM("openai/m", base_url=URL, api_key="x")
    return lambda: Agent(role="r", goal="g", backstory="b", llm=model, **tools).kickoff("hi")

def crewai_adapter(ask):
    from crewai_tools import MCPServerAdapter
    with MCPServerAdapter(parameters()) as tools:
        ask(crew_agent(tools=list(tools)))

def crewai_mcps(ask):
    from crewai.mcp import MCPServerStdio
    ask(crew_agent(mcps=[MCPServerStdio(command=COMMAND, args=ARGUMENTS)]))

def smolagents(ask):
    from smolagents import OpenAIServerModel, ToolCallingAgent, ToolCollection
    with ToolCollection.from_mcp(parameters(), trust_remote_code=True) as tools:
        model = OpenAIServerModel("m", api_base=URL, api_key="x")
        ask(lambda: ToolCallingAgent(tools=[*tools.tools], model=model, max_steps=1, verbosity_level=0).run("hi"))

def messages(name):
    file = Path(name)
    lines = file.read_text().splitlines(keepends=True) if file.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]

def results():
    calls = {m["id"] for m in messages("sent") if m.get("method") == "tools/call"}
    return [m for m in messages("received") if m.get("id") in calls and "method" not in m]

def outcome(before):
    for _ in range(20):  # tee passes a line on before it keeps it
        new = results()[before:]
        if new:
            break
        time.sleep(0.1)
    else:
        return "not sent"
    return "reads" if "flour" in json.dumps(new[-1]) else "refused"

class Ask:
    def __init__(self):
        self.outcomes = {}

    def __call__(self, run):
        for name, arguments in CALLS.items():
            # `mcps` starts a server for each run, whose copies are kept anew.
            Path("sent").write_text("")
            Path("received").write_text("")
            Path("arguments").write_text(json.dumps(arguments))
            run()
            if Path("arguments").exists():
                raise SystemExit("the model was not offered the tool")
            self.outcomes[name] = outcome(0)

way, ask = globals()[sys.argv[1]], Ask()
way(ask)
tool = json.loads(Path("tool.json").read_text())
required = ", ".join(sorted(tool["parameters"]["required"]))
named = "" if "read_text_file" in tool["name"] else "  named otherwise"
shown = ", ".join(f"{name}: {found}" for name, found in ask.outcomes.items())
with open("seen", "a") as file:
    print(f"{sys.argv[1]:14}  {required:16}  {shown}{named}", file=file)
PYTHON
for way in client crewai_adapter crewai_mcps smolagents; do
  rm -f tool.json sent received
  py/bin/python ask.py "$way" > log 2>&1 < /dev/null || { tail -5 log; exit 1; }
done
cat seen

diff - seen <<'EXPECTED'
client          path              path alone: reads, nulls: refused, numbers: refused
crewai_adapter  head, path, tail  path alone: refused, nulls: refused, numbers: refused
crewai_mcps     head, path, tail  path alone: reads, nulls: reads, numbers: refused  named otherwise
smolagents      head, path, tail  path alone: not sent, nulls: not sent, numbers: refused
EXPECTED
