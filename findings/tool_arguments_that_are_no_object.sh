#!/bin/bash
# A tool called with `null`, `[]` or a text runs with its defaults, or ends the run, in some frameworks.
#
# Versions: langchain 1.5.2, langchain-openai 1.7.4, agno 3.1.10, smolagents 1.26.0, openai-agents 0.24.0,
# pydantic-ai-slim 2.68.0, openai 3.57.0 (PyPI), Python 3.11.
#
# Behaviour: a tool's arguments arrive as text that holds JSON, and its schema says that this is an object. vLLM 0.32.0
# with a forced tool that is not `strict` lets the model write any JSON there; small models write the
# object as a string within the JSON. The tool here has one argument, the folder to clean, with a default:
# everything. The model calls it with the arguments shown, then says "Done.". Shown is what comes of it where the
# answer comes in one piece, and where it is streamed.
# - LangChain runs the tool with its default for null and []; for the others the run raises. Streamed, it
#   drops each such call without a word: the run ends well, with an empty answer.
# - Agno runs the tool with its default for [].
# - smolagents runs it with its default for null and [], and takes a text for the first argument.
# - The OpenAI Agents SDK and Pydantic AI run nothing and tell the model; Agno does for the rest, smolagents for true.
#
# Seen on 2026-11-29:
#   langchain    null                     cleans everything         ends with ''
#   langchain    []                       cleans everything         ends with ''
#   langchain    true                     raises ValidationError    ends with ''
#   langchain    "{\"folder\": \"tmp\"}"  raises ValidationError    ends with ''
#   agno         null                     tells the model           tells the model
#   agno         []                       cleans everything         cleans everything
#   agno         true                     tells the model           tells the model
#   agno         "{\"folder\": \"tmp\"}"  tells the model           tells the model
#   smolagents   null                     cleans everything         cleans everything
#   smolagents   []                       cleans everything         cleans everything
#   smolagents   true                     tells the model           tells the model
#   smolagents   "{\"folder\": \"tmp\"}"  cleans {"folder": "tmp"}  cleans {"folder": "tmp"}
#   agents_sdk   null                     tells the model           tells the model
#   agents_sdk   []                       tells the model           tells the model
#   agents_sdk   true                     tells the model           tells the model
#   agents_sdk   "{\"folder\": \"tmp\"}"  tells the model           tells the model
#   pydantic_ai  null                     tells the model           tells the model
#   pydantic_ai  []                       tells the model           tells the model
#   pydantic_ai  true                     tells the model           tells the model
#   pydantic_ai  "{\"folder\": \"tmp\"}"  tells the model           tells the model
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${model:-}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
mkdir home
export HOME="$folder/home"
python3 -m venv py
py/bin/pip install -q --no-compile --disable-pip-version-check langchain==1.5.2 langchain-core==1.8.3 \
  langgraph==1.2.24 langchain-openai==1.7.4 agno==3.1.10 'smolagents[openai]==1.26.0' openai-agents==0.24.0 \
  'pydantic-ai-slim[openai]==2.68.0' openai==3.57.0

# The model; the path holds the arguments of its first call. It notes how often it is asked.
cat > model.py <<'PYTHON'
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

def call(name, arguments):
    return {"tool_calls": [{"index": 0, "id": "call_1", "type": "function",
                            "function": {"name": name, "arguments": arguments}}]}

class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        is_first = not open("asked").read()
        open("asked", "a").write("x")
        offered = [tool["function"]["name"] for tool in body.get("tools", ())]
        if is_first:
            said = call("clean", unquote(self.path.split("/")[1].removeprefix("arguments=")))
        elif "final_answer" in offered:
            said = call("final_answer", '{"answer": "Done."}')
        else:
            said = {"content": "Done."}
        finish = "tool_calls" if "tool_calls" in said else "stop"
        head = {"id": "c", "created": 1, "model": "m"}
        message = {"role": "assistant", "content": None, **said}
        self.send_response(200)
        if body.get("stream"):
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            for delta, end in ((message, None), ({}, finish)):
                choice = {"index": 0, "delta": delta, "finish_reason": end}
                event = {**head, "object": "chat.completion.chunk", "choices": [choice]}
                self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
            self.wfile.write(b"data: [DONE]\n\n")
        else:
            self.send_header("content-type", "application/json")
            self.end_headers()
            choice = {"index": 0, "message": message, "finish_reason": finish}
            usage = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
            whole = {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
            self.wfile.write(json.dumps(whole).encode())

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
open("port", "w").write(str(server.server_port))
server.serve_forever()
PYTHON
python3 model.py 2> model.log & model=$!
until [ -s port ]; do sleep 0.1; done

cat > frameworks.py <<'PYTHON'
import asyncio
import logging
import os
import warnings
from urllib.parse import quote

warnings.simplefilter("ignore")
os.environ.update(OPENAI_API_KEY="none", AGNO_TELEMETRY="false")
cleaned = []

def clean(folder: str = "everything") -> str:
    """Delete what is in a folder.

    Args:
        folder: Which one.
    """
    cleaned.append(folder)
    return "cleaned"

async def langchain(url, stream):
    from langchain.agents import create_agent
    from langchain_openai import ChatOpenAI
    agent = create_agent(ChatOpenAI(model="m", base_url=url, streaming=stream), [clean])
    return (await agent.ainvoke({"messages": [("user", "Go.")]}))["messages"][-1].content

async def agno(url, stream):
    from agno.agent import Agent
    from agno.models.openai.like import OpenAILike
    agent = Agent(model=OpenAILike(id="m", base_url=url, api_key="none"), tools=[clean])
    if not stream:
        return (await agent.arun("Go.")).content
    return "".join([event.content or "" async for event in agent.arun("Go.", stream=True)
                    if event.event == "RunContent"])

async def smolagents(url, stream):
    from smolagents import OpenAIModel, ToolCallingAgent, tool
    model = OpenAIModel("m", api_base=url, api_key="none")
    agent = ToolCallingAgent([tool(clean)], model, stream_outputs=stream, max_steps=3, verbosity_level=-1)
    return await asyncio.to_thread(agent.run, "Go.")

async def agents_sdk(url, stream):
    from agents import Agent, OpenAIChatCompletionsModel, Runner, function_tool, set_tracing_disabled
    from openai import AsyncOpenAI
    set_tracing_disabled(True)
    model = OpenAIChatCompletionsModel("m", AsyncOpenAI(base_url=url))
    agent = Agent("A", tools=[function_tool(clean, strict_mode=False)], model=model)
    if not stream:
        return (await Runner.run(agent, "Go.")).final_output
    result = Runner.run_streamed(agent, "Go.")
    async for _ in result.stream_events():
        pass
    return result.final_output

async def pydantic_ai(url, stream):
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider
    agent = Agent(OpenAIChatModel("m", provider=OpenAIProvider(base_url=url)), tools=[clean])
    if not stream:
        return (await agent.run("Go.")).output
    async with agent.run_stream("Go.") as result:
        return await result.get_output()

async def outcome(framework, url, stream):
    cleaned.clear()
    open("asked", "w").close()
    try:
        end = await asyncio.wait_for(framework(url, stream), 60)
    except Exception as error:
        return f"raises {type(error).__name__}"
    logging.disable()
    if cleaned:
        return f"cleans {cleaned[0]}"
    is_told = len(open("asked").read()) > 1
    return "tells the model" if is_told and end == "Done." else f"ends with {end!r}"

async def main():
    port = open("port").read()
    for framework in (langchain, agno, smolagents, agents_sdk, pydantic_ai):
        for arguments in ("null", "[]", "true", r'"{\"folder\": \"tmp\"}"'):
            url = f"http://127.0.0.1:{port}/arguments={quote(arguments, safe='')}/v1"
            ways = [await outcome(framework, url, stream) for stream in (False, True)]
            with open("seen", "a") as seen:
                print(f"{framework.__name__:11}  {arguments:23}  {ways[0]:24}  {ways[1]}", file=seen)

asyncio.run(main())
PYTHON
timeout 150 py/bin/python frameworks.py > frameworks.log 2>&1 || { tail frameworks.log; exit 1; }
cat seen

diff - seen <<'EXPECTED'
langchain    null                     cleans everything         ends with ''
langchain    []                       cleans everything         ends with ''
langchain    true                     raises ValidationError    ends with ''
langchain    "{\"folder\": \"tmp\"}"  raises ValidationError    ends with ''
agno         null                     tells the model           tells the model
agno         []                       cleans everything         cleans everything
agno         true                     tells the model           tells the model
agno         "{\"folder\": \"tmp\"}"  tells the model           tells the model
smolagents   null                     cleans everything         cleans everything
smolagents   []                       cleans everything         cleans everything
smolagents   true                     tells the model           tells the model
smolagents   "{\"folder\": \"tmp\"}"  cleans {"folder": "tmp"}  cleans {"folder": "tmp"}
agents_sdk   null                     tells the model           tells the model
agents_sdk   []                       tells the model           tells the model
agents_sdk   true                     tells the model           tells the model
agents_sdk   "{\"folder\": \"tmp\"}"  tells the model           tells the model
pydantic_ai  null                     tells the model           tells the model
pydantic_ai  []                       tells the model           tells the model
pydantic_ai  true                     tells the model           tells the model
pydantic_ai  "{\"folder\": \"tmp\"}"  tells the model           tells the model
EXPECTED
