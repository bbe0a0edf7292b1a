#!/bin/bash
# A model that repeats one call of a tool is asked again, and paid, hundreds of times by Agno and LangChain.
#
# Versions: agno 3.1.10, langchain 1.5.2 with langgraph 1.2.24 and langchain-openai 1.7.4,
# pydantic-ai-slim 2.68.0, openai-agents 0.24.0, smolagents 1.26.0 (PyPI), Python 3.11; all defaults.
#
# Behaviour: a small model is stuck: to each request it answers with the same call, of a tool that the agent
# has ("known") or of one that it has not ("unknown"). It gives in at the 150th request, so that the
# script ends. Agno has no limit unless `tool_call_limit` is set. LangGraph's limit of 25 steps, after
# which such loops used to end with GraphRecursionError, is 10,007 by default in this version, and an
# agent of LangChain goes on for thousands of requests, each with a longer history than the one before.
# The call of an unknown tool is answered by a message to the model there, and counts as progress.
# Pydantic AI ends after 50 requests and at the second unknown tool, the Agents SDK after 10 turns and
# at the first, smolagents after 20 steps.
#
# Seen on 2026-11-29:
#   agno           known   tool  150 requests  'I give in.'
#   agno           unknown tool  150 requests  'I give in.'
#   langchain      known   tool  150 requests  'I give in.'
#   langchain      unknown tool  150 requests  'I give in.'
#   pydantic-ai    known   tool   50 requests  UsageLimitExceeded
#   pydantic-ai    unknown tool    2 requests  UnexpectedModelBehavior
#   openai-agents  known   tool   10 requests  MaxTurnsExceeded
#   openai-agents  unknown tool    1 requests  ModelBehaviorError
#   smolagents     known   tool   21 requests  None
#   smolagents     unknown tool   21 requests  None
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${provider:-}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
mkdir home
export HOME="$folder/home"
python3 -m venv py
py/bin/pip install -q --no-compile --disable-pip-version-check agno==3.1.10 langchain==1.5.2 \
  langchain-core==1.8.3 langgraph==1.2.24 langchain-openai==1.7.4 'pydantic-ai-slim[openai]==2.68.0' \
  openai-agents==0.24.0 smolagents==1.26.0 openai==3.57.0

# A model that calls the tool of its name with the same arguments each time, and gives in at the 150th request.
cat > provider.py <<'PYTHON'
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COUNTS = {}

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def send(self, answer):
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        self.send(COUNTS.get(self.path.strip("/"), 0))

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        who = self.path.split("/")[1]
        count = COUNTS[who] = COUNTS.get(who, 0) + 1
        message = {"role": "assistant", "content": None}
        if count < 150:
            function = {"name": body["model"], "arguments": '{"path": "notes.txt"}'}
            message["tool_calls"] = [{"id": f"call_{count}", "type": "function", "function": function}]
        else:
            message["content"] = "I give in."
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if count < 150 else "stop"}
        usage = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
        self.send({"id": f"c{count}", "object": "chat.completion", "created": 1, "model": body["model"],
                   "choices": [choice], "usage": usage})

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
open("port", "w").write(str(server.server_port))
server.serve_forever()
PYTHON
python3 provider.py 2> provider.log & provider=$!
until [ -s port ]; do sleep 0.1; done

cat > frameworks.py <<'PYTHON'
import logging
import urllib.request
import warnings

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
HOST = f"http://127.0.0.1:{open('port').read()}"
CALLS = {"known": "read_file", "unknown": "open_file"}

def read_file(path: str) -> str:
    """Read a file.

    Args:
        path: Which file.
    """
    return "The file is empty."

def agno(tool, url):
    from agno.agent import Agent
    from agno.models.openai import OpenAIChat
    model = OpenAIChat(id=tool, base_url=url, api_key="x")
    run = Agent(model=model, tools=[read_file], telemetry=False).run("Read it.")
    return run.content

def langchain(tool, url):
    from langchain.agents import create_agent
    from langchain_openai import ChatOpenAI
    agent = create_agent(ChatOpenAI(model=tool, base_url=url, api_key="x"), [read_file])
    return agent.invoke({"messages": [("user", "Read it.")]})["messages"][-1].text

def pydantic_ai(tool, url):
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider
    model = OpenAIChatModel(tool, provider=OpenAIProvider(base_url=url, api_key="x"))
    return Agent(model, tools=[read_file]).run_sync("Read it.").output

def openai_agents(tool, url):
    from agents import Agent, OpenAIChatCompletionsModel, Runner, function_tool, set_tracing_disabled
    from openai import AsyncOpenAI
    set_tracing_disabled(True)
    model = OpenAIChatCompletionsModel(tool, AsyncOpenAI(base_url=url, api_key="x"))
    agent = Agent(name="a", model=model, tools=[function_tool(read_file)])
    return Runner.run_sync(agent, "Read it.").final_output

def smolagents(tool, url):
    from smolagents import OpenAIServerModel, ToolCallingAgent
    from smolagents import tool as as_tool
    agent = ToolCallingAgent([as_tool(read_file)], OpenAIServerModel(tool, api_base=url, api_key="x"),
                             verbosity_level=0)
    return agent.run("Read it.")

for framework in (agno, langchain, pydantic_ai, openai_agents, smolagents):
    for kind, tool in CALLS.items():
        name = framework.__name__
        try:
            end = repr(framework(tool, f"{HOST}/{name}-{kind}/v1"))
        except Exception as error:
            end = type(error).__name__
        count = urllib.request.urlopen(f"{HOST}/{name}-{kind}").read().decode()
        print(f"{name.replace('_', '-'):13}  {kind:7} tool  {count:>3} requests  {end}", flush=True)
PYTHON
timeout 150 py/bin/python frameworks.py 2> frameworks.log | grep requests | tee seen || { tail -n 5 frameworks.log; exit 1; }

diff - seen <<'EXPECTED'
agno           known   tool  150 requests  'I give in.'
agno           unknown tool  150 requests  'I give in.'
langchain      known   tool  150 requests  'I give in.'
langchain      unknown tool  150 requests  'I give in.'
pydantic-ai    known   tool   50 requests  UsageLimitExceeded
pydantic-ai    unknown tool    2 requests  UnexpectedModelBehavior
openai-agents  known   tool   10 requests  MaxTurnsExceeded
openai-agents  unknown tool    1 requests  ModelBehaviorError
smolagents     known   tool   21 requests  None
smolagents     unknown tool   21 requests  None
EXPECTED
