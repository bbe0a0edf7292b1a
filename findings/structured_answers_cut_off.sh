#!/bin/bash
# A list that the token limit cut off becomes a shorter list, and its last number a wrong one.
#
# Versions: instructor 1.17.0, baml-py 0.226.3, langchain 1.5.2 with langchain-openai 1.7.4,
# pydantic-ai-slim 2.68.0 (PyPI), Python 3.11.
#
# Behaviour: the model is asked for a list of ingredients by a schema: 500 g of rice, 250 g of beans, and
# more. Its answer ends at the token limit, with finish reason "length", in the middle of the number
# 250. In one piece, instructor and Pydantic AI raise, and LangChain gives None. BAML closes what is
# open and returns two ingredients with 2 g of beans as the answer, streamed or not. instructor's
# create_iterable ends after one ingredient, its create_partial with 2 g, and LangChain's streamed
# answer with 2 g, without an error; so does an agent's `structured_response` under ToolStrategy as soon as its
# user interface streams (`stream_mode="messages"`). Pydantic AI shows the same while it streams, but
# raises at the end. Every value fits the schema, so no validation finds it. A refusal is an empty list
# to instructor's create_iterable and to BAML, where the answer is a list.
#
# Seen on 2026-11-29:
#   instructor   cut    create            IncompleteOutputException
#   instructor   cut    create_iterable   rice 500
#   instructor   cut    create_partial    rice 500, beans 2
#   instructor   refuse create_iterable   an empty list
#   baml         cut    call              rice 500, beans 2
#   baml         cut    stream            rice 500, beans 2
#   baml         refuse call              an empty list
#   langchain    cut    invoke            None
#   langchain    cut    stream            rice 500, beans 2
#   langchain    cut    agent, values     GraphRecursionError
#   langchain    cut    agent, messages   rice 500, beans 2
#   pydantic-ai  cut    run               IncompleteToolCall
#   pydantic-ai  cut    last of a stream  rice 500, beans 2
#   pydantic-ai  cut    end of a stream   UnexpectedModelBehavior
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${provider:-}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
mkdir home
export HOME="$folder/home"
python3 -m venv helpers
helpers/bin/pip install -q --no-compile --disable-pip-version-check instructor==1.17.0 baml-py==0.226.3
python3 -m venv frameworks
frameworks/bin/pip install -q --no-compile --disable-pip-version-check langchain==1.5.2 langchain-core==1.8.3 \
  langgraph==1.2.24 langchain-openai==1.7.4 'pydantic-ai-slim[openai]==2.68.0' openai==3.57.0

# A model of chat completions; the first part of the path says how its answer ends.
cat > provider.py <<'PYTHON'
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CUT = '{"items": [{"name": "rice", "grams": 500}, {"name": "beans", "grams": 2'

class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        message = {"role": "assistant", "content": None}
        if self.path.startswith("/refuse"):
            message["refusal"] = "I cannot help with that."
        elif body.get("tools"):
            function = {"name": body["tools"][0]["function"]["name"], "arguments": CUT}
            message["tool_calls"] = [{"index": 0, "id": "call_1", "type": "function", "function": function}]
        else:
            message["content"] = CUT
        finish = "length" if self.path.startswith("/cut") else "stop"
        head = {"id": "c", "created": 1, "model": "m"}
        if body.get("stream"):
            events = [{**head, "object": "chat.completion.chunk",
                       "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
                      for delta, reason in ((message, None), ({}, finish))]
            lines = [f"data: {json.dumps(event)}\n\n" for event in events]
            kind, answer = "text/event-stream", "".join(lines) + "data: [DONE]\n\n"
        else:
            choice = {"index": 0, "finish_reason": finish, "message": message}
            usage = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
            whole = {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
            kind, answer = "application/json", json.dumps(whole)
        self.send_response(200)
        self.send_header("content-type", kind)
        self.end_headers()
        self.wfile.write(answer.encode())

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
open("port", "w").write(str(server.server_port))
server.serve_forever()
PYTHON
python3 provider.py & provider=$!
until [ -s port ]; do sleep 0.1; done

mkdir baml_src
cat > baml_src/main.baml <<BAML
generator target {
  output_type "python/pydantic"
  output_dir "../"
  version "0.226.3"
  default_client_mode "sync"
}
client<llm> Cut {
  provider openai-generic
  options {
    base_url "http://127.0.0.1:$(cat port)/cut/v1"
    model "m"
  }
}
client<llm> Refuse {
  provider openai-generic
  options {
    base_url "http://127.0.0.1:$(cat port)/refuse/v1"
    model "m"
  }
}
class Item {
  name string
  grams int
}
class Recipe {
  items Item[]
}
function GetCut(dish: string) -> Recipe {
  client Cut
  prompt #"{{ dish }} {{ ctx.output_format }}"#
}
function GetRefused(dish: string) -> Item[] {
  client Refuse
  prompt #"{{ dish }} {{ ctx.output_format }}"#
}
BAML
BAML_LOG=off helpers/bin/baml-cli generate > baml.log 2>&1 || { tail -5 baml.log; exit 1; }

cat > common.py <<'PYTHON'
from pydantic import BaseModel

PORT = open("port").read()

class Item(BaseModel):
    name: str
    grams: int

class Recipe(BaseModel):
    items: list[Item]

def url(ending):
    return f"http://127.0.0.1:{PORT}/{ending}/v1"

def show(who, ending, how, ask):
    try:
        found = ask()
    except Exception as error:
        text = type(error).__name__
    else:
        items = getattr(found, "items", found)
        text = "None" if items is None else ", ".join(f"{i.name} {i.grams}" for i in items) or "an empty list"
    print(f"{who:12} {ending:6} {how:17} {text}", flush=True)
PYTHON

cat > helpers.py <<'PYTHON'
import instructor
import openai
from baml_client import b
from common import Item, Recipe, show, url

QUESTION = {"model": "m", "messages": [{"role": "user", "content": "What is in it?"}]}

def client(ending):
    return instructor.from_openai(openai.OpenAI(base_url=url(ending), api_key="x")).chat.completions

show("instructor", "cut", "create", lambda: client("cut").create(response_model=Recipe, **QUESTION))
show("instructor", "cut", "create_iterable",
     lambda: list(client("cut").create_iterable(response_model=Item, **QUESTION)))
show("instructor", "cut", "create_partial",
     lambda: list(client("cut").create_partial(response_model=Recipe, **QUESTION))[-1])
show("instructor", "refuse", "create_iterable",
     lambda: list(client("refuse").create_iterable(response_model=Item, **QUESTION)))
show("baml", "cut", "call", lambda: b.GetCut("stew"))
show("baml", "cut", "stream", lambda: b.stream.GetCut("stew").get_final_response())
show("baml", "refuse", "call", lambda: b.GetRefused("stew"))
PYTHON

cat > frameworks.py <<'PYTHON'
import asyncio
import warnings

warnings.filterwarnings("ignore")
from common import Recipe, show, url
from langchain.agents import create_agent
from langchain.agents.structured_output import ToolStrategy
from langchain_openai import ChatOpenAI
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

model = ChatOpenAI(model="m", base_url=url("cut"), api_key="x")
recipes = model.with_structured_output(Recipe, method="function_calling")
cook = create_agent(model, [], response_format=ToolStrategy(Recipe))

def ask(mode):
    question = {"messages": [("user", "What is in it?")]}
    states = cook.stream(question, {"recursion_limit": 9}, stream_mode=["values", mode])
    return [state for kind, state in states if kind == "values"][-1]["structured_response"]

show("langchain", "cut", "invoke", lambda: recipes.invoke("What is in it?"))
show("langchain", "cut", "stream", lambda: list(recipes.stream("What is in it?"))[-1])
show("langchain", "cut", "agent, values", lambda: ask("values"))
show("langchain", "cut", "agent, messages", lambda: ask("messages"))

provider = OpenAIProvider(base_url=url("cut"), api_key="x")
agent = Agent(OpenAIChatModel("m", provider=provider), output_type=Recipe)
seen = []

async def end_of_stream():
    async with agent.run_stream("What is in it?") as run:
        async for found in run.stream_output():
            seen.append(found)
        return await run.get_output()

def stream():
    return asyncio.run(end_of_stream())

def last():
    try:
        stream()
    except Exception:
        return seen[-1]

show("pydantic-ai", "cut", "run", lambda: agent.run_sync("What is in it?").output)
show("pydantic-ai", "cut", "last of a stream", last)
show("pydantic-ai", "cut", "end of a stream", stream)
PYTHON
{
  BAML_LOG=off helpers/bin/python helpers.py 2> helpers.log
  frameworks/bin/python frameworks.py 2> frameworks.log
} | tee seen || { tail -n 5 helpers.log frameworks.log; exit 1; }

diff - seen <<'EXPECTED'
instructor   cut    create            IncompleteOutputException
instructor   cut    create_iterable   rice 500
instructor   cut    create_partial    rice 500, beans 2
instructor   refuse create_iterable   an empty list
baml         cut    call              rice 500, beans 2
baml         cut    stream            rice 500, beans 2
baml         refuse call              an empty list
langchain    cut    invoke            None
langchain    cut    stream            rice 500, beans 2
langchain    cut    agent, values     GraphRecursionError
langchain    cut    agent, messages   rice 500, beans 2
pydantic-ai  cut    run               IncompleteToolCall
pydantic-ai  cut    last of a stream  rice 500, beans 2
pydantic-ai  cut    end of a stream   UnexpectedModelBehavior
EXPECTED
