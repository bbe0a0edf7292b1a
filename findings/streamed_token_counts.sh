#!/bin/bash
# Frameworks count four times the tokens of a stream, or none, where the same answer in one piece counts right.
#
# Versions: langchain-openai 1.7.4, langchain-anthropic 1.7.10, pydantic-ai-slim 2.68.0,
# smolagents 1.26.0, agno 3.1.10 and openai-agents 0.24.0 with openai 3.57.0 and anthropic 2.14.0
# (PyPI), Python 3.11.
#
# Behaviour: each answer has used 1,000 tokens of input and 50 of output. Hosts differ in how their
# streams say so. Chat completions: a last chunk has the usage, where the client asks for it
# ("on request"), or every chunk has the usage so far ("running"), as with `continuous_usage_stats`
# of vLLM and SGLang and behind some gateways. Messages: `message_delta` repeats all counts, as
# Anthropic's does ("full"), or has `output_tokens` alone, as llama.cpp's does ("short").
# LangChain, Pydantic AI, smolagents and Agno add running counts up: every further chunk counts the
# whole prompt again, so a long answer costs hundreds of times what it did, and Pydantic AI ends a run
# that used 1,050 tokens for a limit of 2,000. LangChain takes input tokens from `message_delta`
# alone: against a short one it counts no input. The Agents SDK does not ask for the usage of
# chat completions and counts nothing, unless ModelSettings(include_usage=True) is given.
#
# Seen on 2026-11-29 (tokens of input / of output):
#   langchain      chat      in one piece 1000/50  on request 1000/50  running 4000/175
#   langchain      messages  in one piece 1000/50  full 1000/50  short 0/50
#   pydantic-ai    chat      in one piece 1000/50  on request 1000/50  running 4000/175
#   pydantic-ai    messages  in one piece 1000/50  full 1000/50  short 1000/50
#   pydantic-ai    chat      running, limit of 2000 tokens: UsageLimitExceeded
#   smolagents     chat      in one piece 1000/50  on request 1000/50  running 4000/175
#   agno           chat      in one piece 1000/50  on request 1000/50  running 4000/175
#   openai-agents  chat      in one piece 1000/50  on request 0/0  running 1000/50
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${provider:-}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
mkdir home
export HOME="$folder/home"
python3 -m venv py
py/bin/pip install -q --no-compile --disable-pip-version-check \
  langchain-openai==1.7.4 langchain-anthropic==1.7.10 'pydantic-ai-slim[openai,anthropic]==2.68.0' \
  smolagents==1.26.0 agno==3.1.10 openai-agents==0.24.0 openai==3.57.0 anthropic==2.14.0

# A provider that says "Hello there"; the first part of the path names the form of its counts.
cat > provider.py <<'PYTHON'
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

def usage(output):
    return {"prompt_tokens": 1000, "completion_tokens": output, "total_tokens": 1000 + output}

def chat(form, body):
    head = {"id": "c", "created": 1, "model": body["model"]}
    if not body.get("stream"):
        message = {"role": "assistant", "content": "Hello there"}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        return {**head, "object": "chat.completion", "choices": [choice], "usage": usage(50)}
    head["object"] = "chat.completion.chunk"
    chunks = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
              for delta, finish in (({"role": "assistant", "content": "Hello "}, None),
                                    ({"content": "there"}, None), ({}, "stop"))]
    if form == "running":
        for chunk, output in zip(chunks, (25, 50, 50)):
            chunk["usage"] = usage(output)
    if form == "running" or (body.get("stream_options") or {}).get("include_usage"):
        chunks.append({**head, "choices": [], "usage": usage(50)})
    return chunks

def messages(form, body):
    counts = {"input_tokens": 200, "cache_read_input_tokens": 800, "cache_creation_input_tokens": 0}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"],
               "content": [], "stop_reason": None, "stop_sequence": None,
               "usage": {**counts, "output_tokens": 1}}
    if not body.get("stream"):
        text = {"type": "text", "text": "Hello there"}
        return {**message, "content": [text], "stop_reason": "end_turn",
                "usage": {**counts, "output_tokens": 50}}
    return [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0,
         "delta": {"type": "text_delta", "text": "Hello there"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
         "usage": {**(counts if form == "full" else {}), "output_tokens": 50}},
        {"type": "message_stop"},
    ]

class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        make = messages if "/messages" in self.path else chat
        answer = make(self.path.split("/")[1], body)
        self.send_response(200)
        kind = "json" if isinstance(answer, dict) else "event-stream"
        self.send_header("content-type", f"{'application' if kind == 'json' else 'text'}/{kind}")
        self.end_headers()
        if kind == "json":
            self.wfile.write(json.dumps(answer).encode())
            return
        for event in answer:
            name = f"event: {event['type']}\n" if "type" in event else ""
            self.wfile.write(f"{name}data: {json.dumps(event)}\n\n".encode())
        if make is chat:
            self.wfile.write(b"data: [DONE]\n\n")

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
open("port", "w").write(str(server.server_port))
server.serve_forever()
PYTHON
python3 provider.py 2> provider.log & provider=$!
until [ -s port ]; do sleep 0.1; done

cat > count.py <<'PYTHON'
import asyncio
import warnings

warnings.filterwarnings("ignore")
HOST = f"http://127.0.0.1:{open('port').read()}"

async def langchain(form, streams, api):
    from langchain_anthropic import ChatAnthropic
    from langchain_openai import ChatOpenAI
    if api == "chat":
        model = ChatOpenAI(model="m", base_url=f"{HOST}/{form}/v1", api_key="x", stream_usage=True)
    else:
        model = ChatAnthropic(model="m", base_url=f"{HOST}/{form}", api_key="x")
    whole = None
    if streams:
        async for chunk in model.astream("hi"):
            whole = chunk if whole is None else whole + chunk
    else:
        whole = await model.ainvoke("hi")
    return whole.usage_metadata["input_tokens"], whole.usage_metadata["output_tokens"]

async def pydantic_ai(form, streams, api, limits=None):
    from pydantic_ai import Agent
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.anthropic import AnthropicProvider
    from pydantic_ai.providers.openai import OpenAIProvider
    if api == "chat":
        model = OpenAIChatModel("m", provider=OpenAIProvider(base_url=f"{HOST}/{form}/v1", api_key="x"))
    else:
        model = AnthropicModel("m", provider=AnthropicProvider(base_url=f"{HOST}/{form}", api_key="x"))
    if streams:
        async with Agent(model).run_stream("hi", usage_limits=limits) as run:
            await run.get_output()
    else:
        run = await Agent(model).run("hi")
    return run.usage.input_tokens, run.usage.output_tokens

async def limited():
    from pydantic_ai import UsageLimits
    try:
        await pydantic_ai("running", True, "chat", UsageLimits(total_tokens_limit=2000))
    except Exception as error:
        return type(error).__name__
    return "passes"

async def smolagents(form, streams, _):
    from smolagents import OpenAIServerModel
    from smolagents.models import agglomerate_stream_deltas
    model = OpenAIServerModel("m", api_base=f"{HOST}/{form}/v1", api_key="x")
    question = [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
    if streams:
        usage = agglomerate_stream_deltas(list(model.generate_stream(question))).token_usage
    else:
        usage = model.generate(question).token_usage
    return usage.input_tokens, usage.output_tokens

async def agno(form, streams, _):
    from agno.agent import Agent
    from agno.models.openai import OpenAIChat
    agent = Agent(model=OpenAIChat(id="m", base_url=f"{HOST}/{form}/v1", api_key="x"), telemetry=False)
    if streams:
        async for event in agent.arun("hi", stream=True, yield_run_output=True):
            run = event
    else:
        run = await agent.arun("hi")
    return run.metrics.input_tokens, run.metrics.output_tokens

async def openai_agents(form, streams, _):
    from agents import Agent, OpenAIChatCompletionsModel, Runner, set_tracing_disabled
    from openai import AsyncOpenAI
    set_tracing_disabled(True)
    client = AsyncOpenAI(base_url=f"{HOST}/{form}/v1", api_key="x")
    agent = Agent(name="a", model=OpenAIChatCompletionsModel("m", client))
    if streams:
        run = Runner.run_streamed(agent, "hi")
        async for _ in run.stream_events():
            pass
    else:
        run = await Runner.run(agent, "hi")
    return run.context_wrapper.usage.input_tokens, run.context_wrapper.usage.output_tokens

async def main():
    for count, apis in ((langchain, 2), (pydantic_ai, 2), (smolagents, 1), (agno, 1), (openai_agents, 1)):
        name = count.__name__.replace("_", "-")
        for api, forms in (("chat", ("on request", "running")), ("messages", ("full", "short")))[:apis]:
            found = [("in one piece", await count(forms[0].replace(" ", "_"), False, api))]
            for form in forms:
                found.append((form, await count(form.replace(" ", "_"), True, api)))
            text = "  ".join(f"{form} {taken}/{given}" for form, (taken, given) in found)
            print(f"{name:13}  {api:8}  {text}")
        if count is pydantic_ai:
            print(f"{name:13}  chat      running, limit of 2000 tokens: {await limited()}")

asyncio.run(main())
PYTHON
py/bin/python count.py 2> count.log | tee seen || { tail -5 count.log; exit 1; }

diff - seen <<'EXPECTED'
langchain      chat      in one piece 1000/50  on request 1000/50  running 4000/175
langchain      messages  in one piece 1000/50  full 1000/50  short 0/50
pydantic-ai    chat      in one piece 1000/50  on request 1000/50  running 4000/175
pydantic-ai    messages  in one piece 1000/50  full 1000/50  short 1000/50
pydantic-ai    chat      running, limit of 2000 tokens: UsageLimitExceeded
smolagents     chat      in one piece 1000/50  on request 1000/50  running 4000/175
agno           chat      in one piece 1000/50  on request 1000/50  running 4000/175
openai-agents  chat      in one piece 1000/50  on request 0/0  running 1000/50
EXPECTED
