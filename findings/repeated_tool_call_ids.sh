#!/bin/bash
# A tool call whose id is repeated, empty or missing ends the run in some frameworks; smolagents drops it.
#
# Versions: langchain 1.5.2, langchain-openai 1.7.4, agno 3.1.10, smolagents 1.26.0, openai-agents 0.24.0,
# pydantic-ai-slim 2.68.0, openai 3.57.0 (PyPI), Python 3.11.
#
# Behaviour: servers give a tool call its id, and some repeat it: they number calls anew in each answer (Kimi K3 at
# OpenRouter, github.com/open-webui/open-webui/issues/28305) or have one id for all (llama.cpp,
# github.com/NousResearch/hermes-agent/issues/70724); others leave it empty (Gemini's OpenAI-compatible API,
# github.com/vercel/ai/issues/7834). Here the model calls a tool for folder a and for folder b: at once, both with
# id "call_0", with "", without; or one after the other, both with "call_0". Then it says "Done.".
# Shown is which folders are cleaned and how the run ends, where the answer comes in one piece and where it is
# streamed.
# - smolagents runs only the last of the calls in one answer that share an id, without a word.
# - The OpenAI Agents SDK ends the run each time, also where the id is that of a call in an earlier answer.
# - Pydantic AI ends it for one id twice in one answer and, in one piece, for calls without ids.
# - LangChain ends it for calls without ids, after it has run both tools.
# - Agno runs all.
#
# Seen on 2026-11-29:
#   langchain    repeated  a b, Done.                     a b, Done.
#   langchain    empty     a b, Done.                     a b, Done.
#   langchain    missing   a b, TypeError                 a b, TypeError
#   langchain    in_turn   a b, Done.                     a b, Done.
#   agno         repeated  a b, Done.                     a b, Done.
#   agno         empty     a b, Done.                     a b, Done.
#   agno         missing   a b, Done.                     a b, Done.
#   agno         in_turn   a b, Done.                     a b, Done.
#   smolagents   repeated  b, Done.                       b, Done.
#   smolagents   empty     b, Done.                       b, Done.
#   smolagents   missing   b, Done.                       b, Done.
#   smolagents   in_turn   a b, Done.                     a b, Done.
#   agents_sdk   repeated  none, ModelBehaviorError       none, ModelBehaviorError
#   agents_sdk   empty     none, ModelBehaviorError       none, ModelBehaviorError
#   agents_sdk   missing   none, ValidationError          none, ModelBehaviorError
#   agents_sdk   in_turn   a, ModelBehaviorError          a, ModelBehaviorError
#   pydantic_ai  repeated  none, UnexpectedModelBehavior  none, UnexpectedModelBehavior
#   pydantic_ai  empty     a b, Done.                     a b, Done.
#   pydantic_ai  missing   none, UnexpectedModelBehavior  a b, Done.
#   pydantic_ai  in_turn   a b, Done.                     a b, Done.
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

# The model; the path says which ids its calls have. It notes how often it is asked.
cat > model.py <<'PYTHON'
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

def call(index, name, arguments, call_id):
    named = {} if call_id is None else {"id": call_id}
    return {"index": index, "type": "function", **named,
            "function": {"name": name, "arguments": json.dumps(arguments)}}

def answer(way, asked, body):
    folders = [{"folder": "a"}, {"folder": "b"}]
    if way == "in_turn" and asked < 2:
        return {"tool_calls": [call(0, "clean", folders[asked], "call_0")]}
    if way != "in_turn" and not asked:
        call_id = {"repeated": "call_0", "empty": "", "missing": None}[way]
        return {"tool_calls": [call(n, "clean", folders[n], call_id) for n in (0, 1)]}
    if any(tool["function"]["name"] == "final_answer" for tool in body.get("tools", ())):
        return {"tool_calls": [call(0, "final_answer", {"answer": "Done."}, "call_9")]}
    return {"content": "Done."}

class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        said = answer(self.path.split("/")[1], len(open("asked").read()), body)
        open("asked", "a").write("x")
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
    agent = ToolCallingAgent([tool(clean)], model, stream_outputs=stream, max_steps=4, verbosity_level=-1)
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
        end = type(error).__name__
    logging.disable()
    return f"{' '.join(sorted(cleaned)) or 'none'}, {end}"

async def main():
    port = open("port").read()
    for framework in (langchain, agno, smolagents, agents_sdk, pydantic_ai):
        for way in ("repeated", "empty", "missing", "in_turn"):
            url = f"http://127.0.0.1:{port}/{way}/v1"
            ways = [await outcome(framework, url, stream) for stream in (False, True)]
            with open("seen", "a") as seen:
                print(f"{framework.__name__:11}  {way:8}  {ways[0]:29}  {ways[1]}", file=seen)

asyncio.run(main())
PYTHON
timeout 150 py/bin/python frameworks.py > frameworks.log 2>&1 || { tail frameworks.log; exit 1; }
cat seen

diff - seen <<'EXPECTED'
langchain    repeated  a b, Done.                     a b, Done.
langchain    empty     a b, Done.                     a b, Done.
langchain    missing   a b, TypeError                 a b, TypeError
langchain    in_turn   a b, Done.                     a b, Done.
agno         repeated  a b, Done.                     a b, Done.
agno         empty     a b, Done.                     a b, Done.
agno         missing   a b, Done.                     a b, Done.
agno         in_turn   a b, Done.                     a b, Done.
smolagents   repeated  b, Done.                       b, Done.
smolagents   empty     b, Done.                       b, Done.
smolagents   missing   b, Done.                       b, Done.
smolagents   in_turn   a b, Done.                     a b, Done.
agents_sdk   repeated  none, ModelBehaviorError       none, ModelBehaviorError
agents_sdk   empty     none, ModelBehaviorError       none, ModelBehaviorError
agents_sdk   missing   none, ValidationError          none, ModelBehaviorError
agents_sdk   in_turn   a, ModelBehaviorError          a, ModelBehaviorError
pydantic_ai  repeated  none, UnexpectedModelBehavior  none, UnexpectedModelBehavior
pydantic_ai  empty     a b, Done.                     a b, Done.
pydantic_ai  missing   none, UnexpectedModelBehavior  a b, Done.
pydantic_ai  in_turn   a b, Done.                     a b, Done.
EXPECTED
