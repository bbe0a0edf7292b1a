#!/bin/bash
# A framework's fallback model stays unused where a stream fails, or its answer is glued to half of another.
#
# Versions: langchain 1.5.2, langchain-openai 1.7.4, langchain-anthropic 1.7.10, agno 3.1.10,
# pydantic-ai-slim 2.68.0 (PyPI); @mastra/core 1.71.0, @ai-sdk/anthropic 4.0.105,
# @ai-sdk/openai-compatible 3.0.92 on node 26.10.0 (npm).
#
# Behaviour: each framework has a model that fails and a fallback that answers "Hello there". The model
# streams in Anthropic's format and reports an overload before its first word ("overload first") or
# after "Half an answer" ("overload later"), or the connection of a chat completion breaks after that
# ("connection lost"). The status is 200 each time. Shown is what a reader of the stream gets, and the answer at the
# end where the framework has one beside the stream.
# - LangChain's `with_fallbacks` counts the head of the message as the first word: the overload before
#   any word is raised, as Anthropic's overloads are, and the fallback serves only calls in one piece.
# - LangChain's ModelFallbackMiddleware and Agno start the fallback after half an answer, too: the reader gets
#   both in one, without a mark between them; only the answer at the end is right.
# - Mastra treats an error event as the end: no fallback, no exception, an empty text with finish reason
#   "error". After a lost connection it uses the fallback, and `text` is both answers in one, "stop".
# - Pydantic AI falls back before the first word and raises after it.
#
# Seen on 2026-11-29:
#   with_fallbacks  overload first   raises APIStatusError
#   with_fallbacks  overload later   Half an answer, raises APIStatusError
#   with_fallbacks  connection lost  Half an answer, raises OpenAIConnectionError
#   middleware      overload first   Hello there  at the end: Hello there
#   middleware      overload later   Half an answerHello there  at the end: Hello there
#   middleware      connection lost  Half an answerHello there  at the end: Hello there
#   agno            overload first   Hello there  at the end: Hello there
#   agno            overload later   Half an answerHello there  at the end: Hello there
#   agno            connection lost  Half an answerHello there  at the end: Hello there
#   pydantic-ai     overload first   Hello there
#   pydantic-ai     overload later   Half an answer, raises ModelOverloadedError
#   pydantic-ai     connection lost  Half an answer, raises ModelConnectionError
#   mastra          overload first   (nothing)  at the end: (nothing), error
#   mastra          overload later   Half an answer  at the end: Half an answer, error
#   mastra          connection lost  Half an answerHello there  at the end: Half an answerHello there, stop
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${provider:-}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
mkdir home
export HOME="$folder/home" MASTRA_TELEMETRY_DISABLED=1
python3 -m venv py
py/bin/pip install -q --no-compile --disable-pip-version-check langchain==1.5.2 langchain-core==1.8.3 \
  langgraph==1.2.24 langchain-openai==1.7.4 langchain-anthropic==1.7.10 agno==3.1.10 \
  'pydantic-ai-slim[openai,anthropic]==2.68.0' openai==3.57.0 anthropic==2.14.0
echo '{"type": "module"}' > package.json
npm install --silent --no-audit --no-fund --loglevel=error node@26.10.0 @mastra/core@1.71.0 \
  @ai-sdk/anthropic@4.0.105 @ai-sdk/openai-compatible@3.0.92 > npm.log 2>&1 || { tail npm.log; exit 1; }

# The models; the first part of the path says how the stream fails.
cat > provider.py <<'PYTHON'
import json
import socket
import struct
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

def chat(text, finish=None):
    choice = {"index": 0, "delta": {"role": "assistant", "content": text} if text else {}}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{**choice, "finish_reason": finish}]}

USAGE = {"input_tokens": 9, "output_tokens": 1}
HEAD = {"type": "message_start", "message": {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
    "stop_reason": None, "stop_sequence": None, "usage": USAGE}}
HALF = [
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0,
     "delta": {"type": "text_delta", "text": "Half an answer"}},
]
OVERLOAD = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
STREAMS = {
    "overload_first": [HEAD, OVERLOAD],
    "overload_later": [HEAD, *HALF, OVERLOAD],
    "connection_lost": [chat("Half an answer")],
    "fallback": [chat("Hello there"), chat("", "stop")],
}

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.close_connection = True
        self.send_response(200)
        for name, value in (("content-type", "text/event-stream"), ("transfer-encoding", "chunked"),
                            ("connection", "close")):
            self.send_header(name, value)
        self.end_headers()
        way = self.path.split("/")[1]
        for event in STREAMS[way]:
            name = f"event: {event['type']}\n" if "type" in event else ""
            self.chunk(f"{name}data: {json.dumps(event)}\n\n".encode())
        if way == "connection_lost":
            time.sleep(0.2)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return self.connection.close()
        if way == "fallback":
            self.chunk(b"data: [DONE]\n\n")
        self.chunk(b"")

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
open("port", "w").write(str(server.server_port))
server.serve_forever()
PYTHON
python3 provider.py 2> provider.log & provider=$!
until [ -s port ]; do sleep 0.1; done

cat > frameworks.py <<'PYTHON'
import asyncio
import warnings

warnings.filterwarnings("ignore")
HOST = f"http://127.0.0.1:{open('port').read()}"
WAYS = ("overload_first", "overload_later", "connection_lost")

def langchain_model(way):
    from langchain_anthropic import ChatAnthropic
    from langchain_openai import ChatOpenAI
    if way.startswith("overload"):
        return ChatAnthropic(model="m", base_url=f"{HOST}/{way}", api_key="x", max_retries=0)
    return ChatOpenAI(model="m", base_url=f"{HOST}/{way}/v1", api_key="x", max_retries=0)

async def with_fallbacks(way, read):
    model = langchain_model(way).with_fallbacks([langchain_model("fallback")])
    async for part in model.astream("hi"):
        read(part.text)

async def middleware(way, read):
    from langchain.agents import create_agent
    from langchain.agents.middleware import ModelFallbackMiddleware
    agent = create_agent(langchain_model(way), [],
                         middleware=[ModelFallbackMiddleware(langchain_model("fallback"))])
    question = {"messages": [("user", "hi")]}
    async for kind, part in agent.astream(question, stream_mode=["messages", "values"]):
        if kind == "messages":
            read(part[0].text)
    return part["messages"][-1].text

async def agno(way, read):
    from agno.agent import Agent
    from agno.models.anthropic import Claude
    from agno.models.openai import OpenAIChat
    if way.startswith("overload"):
        model = Claude(id="m", api_key="x", client_params={"base_url": f"{HOST}/{way}", "max_retries": 0})
    else:
        model = OpenAIChat(id="m", base_url=f"{HOST}/{way}/v1", api_key="x", max_retries=0)
    fallback = OpenAIChat(id="m", base_url=f"{HOST}/fallback/v1", api_key="x")
    agent = Agent(model=model, fallback_models=[fallback], telemetry=False)
    async for event in agent.arun("hi", stream=True, yield_run_output=True):
        if type(event).__name__ == "RunContentEvent":
            read(event.content)
    return event.content

async def pydantic_ai(way, read):
    from pydantic_ai import Agent
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.models.fallback import FallbackModel
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.anthropic import AnthropicProvider
    from pydantic_ai.providers.openai import OpenAIProvider
    if way.startswith("overload"):
        provider = AnthropicProvider(base_url=f"{HOST}/{way}", api_key="x")
        model = AnthropicModel("m", provider=provider)
    else:
        model = OpenAIChatModel("m", provider=OpenAIProvider(base_url=f"{HOST}/{way}/v1", api_key="x"))
    provider = OpenAIProvider(base_url=f"{HOST}/fallback/v1", api_key="x")
    agent = Agent(FallbackModel(model, OpenAIChatModel("m", provider=provider)))
    async with agent.run_stream("hi") as run:
        async for part in run.stream_text(delta=True, debounce_by=None):
            read(part)

async def main():
    for framework in (with_fallbacks, middleware, agno, pydantic_ai):
        for way in WAYS:
            read = []
            try:
                end = await framework(way, read.append)
            except Exception as error:
                read = ["".join(read), f"raises {type(error).__name__}"]
                text = ", ".join(filter(None, read))
            else:
                text = "".join(read) + (f"  at the end: {end}" if end else "")
            print(f"{framework.__name__.replace('c_a', 'c-a'):14}  {way.replace('_', ' '):15}  {text}", flush=True)

asyncio.run(main())
PYTHON
cat > mastra.js <<'JAVASCRIPT'
import { readFileSync } from 'node:fs';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { Agent } from '@mastra/core/agent';

const host = `http://127.0.0.1:${readFileSync('port')}`;
const model = (way) => {
  const settings = { name: 'h', baseURL: `${host}/${way}/v1`, apiKey: 'x' };
  const make = way.startsWith('overload') ? createAnthropic : createOpenAICompatible;
  return { model: make(settings)('m'), maxRetries: 0 };
};
for (const way of ['overload_first', 'overload_later', 'connection_lost']) {
  const agent = new Agent({ id: 'a', name: 'a', instructions: 'Answer.', model: [model(way), model('fallback')] });
  const stream = await agent.stream('hi');
  let read = '';
  for await (const part of stream.textStream) read += part;
  const end = `${(await stream.text) || '(nothing)'}, ${await stream.finishReason}`;
  console.log(`mastra          ${way.replace('_', ' ').padEnd(15)}  ${read || '(nothing)'}  at the end: ${end}`);
}
process.exit(0);
JAVASCRIPT
{
  timeout 60 py/bin/python frameworks.py 2> frameworks.log
  timeout 60 node_modules/node/bin/node mastra.js 2> mastra.log
} | grep -E '  (overload|connection) (first|later|lost)  ' | tee seen || { tail -n 5 frameworks.log mastra.log; exit 1; }

diff - seen <<'EXPECTED'
with_fallbacks  overload first   raises APIStatusError
with_fallbacks  overload later   Half an answer, raises APIStatusError
with_fallbacks  connection lost  Half an answer, raises OpenAIConnectionError
middleware      overload first   Hello there  at the end: Hello there
middleware      overload later   Half an answerHello there  at the end: Hello there
middleware      connection lost  Half an answerHello there  at the end: Hello there
agno            overload first   Hello there  at the end: Hello there
agno            overload later   Half an answerHello there  at the end: Hello there
agno            connection lost  Half an answerHello there  at the end: Hello there
pydantic-ai     overload first   Hello there
pydantic-ai     overload later   Half an answer, raises ModelOverloadedError
pydantic-ai     connection lost  Half an answer, raises ModelConnectionError
mastra          overload first   (nothing)  at the end: (nothing), error
mastra          overload later   Half an answer  at the end: Half an answer, error
mastra          connection lost  Half an answerHello there  at the end: Half an answerHello there, stop
EXPECTED
