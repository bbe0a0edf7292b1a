#!/bin/bash
# A LangChain agent runs a tool with half of its arguments where the model's answer was streamed.
#
# Versions: langchain 1.5.2, langchain-core 1.8.3, langgraph 1.2.24, langchain-openai 1.7.4 and
# langchain-anthropic 1.7.10 (PyPI), Python 3.11.
#
# Behaviour: the model writes a file by a tool call and reaches its token limit in the middle of the
# text: the arguments are no valid JSON, and the finish reason says so ("length", "max_tokens").
# Where the answer comes in one piece, the agent rejects the call (`invalid_tool_calls`) and runs
# nothing. Where it is streamed, the pieces are parsed leniently: the open string and the open object
# are closed, the call counts as valid, and the tool runs with what had arrived. It makes no difference
# whether a finish reason came at all. `stream_mode="messages"` is enough to switch the model to
# streaming, so the same agent is safe under `invoke` and writes half a file once a user interface
# shows its tokens. Neither the tool nor the next request to the model tells of the cut.
#
# Seen on 2026-11-29:
#   openai    length      invoke                    runs nothing
#   openai    length      stream, values            runs nothing
#   openai    length      stream, messages          runs write_file with 'port: 80\nho'
#   openai    length      invoke, streaming=True    runs write_file with 'port: 80\nho'
#   openai    no reason   stream, messages          runs write_file with 'port: 80\nho'
#   anthropic max_tokens  stream, messages          runs write_file with 'port: 80\nho'
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${provider:-}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv py
py/bin/pip install -q --no-compile --disable-pip-version-check langchain==1.5.2 langchain-core==1.8.3 \
  langgraph==1.2.24 langchain-openai==1.7.4 langchain-anthropic==1.7.10

# A model that calls the tool, its arguments cut off, and answers "ok" once it has a result.
cat > provider.py <<'PYTHON'
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HALF = '{"path": "server.yaml", "text": "port: 80\\nho'

def chat(body):
    if body["messages"][-1]["role"] == "tool":
        message, finish = {"role": "assistant", "content": "ok"}, "stop"
    else:
        function = {"name": "write_file", "arguments": HALF}
        call = {"index": 0, "id": "call_1", "type": "function", "function": function}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        finish = "length" if body["model"] == "length" else None
    choice = {"index": 0, "finish_reason": finish or "length"}
    answer = {"id": "c", "created": 1, "model": "m"}
    if not body.get("stream"):
        return {**answer, "object": "chat.completion", "choices": [{**choice, "message": message}]}
    answer["object"] = "chat.completion.chunk"
    pieces = [{"index": 0, "delta": message, "finish_reason": None}]
    if finish:
        pieces.append({**choice, "delta": {}})
    return [{**answer, "choices": [piece]} for piece in pieces]

def messages(body):
    usage = {"input_tokens": 9, "output_tokens": 9}
    start = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
             "stop_reason": None, "stop_sequence": None, "usage": usage}
    if isinstance(body["messages"][-1]["content"], str):
        block = {"type": "tool_use", "id": "toolu_1", "name": "write_file", "input": {}}
        delta, stop = {"type": "input_json_delta", "partial_json": HALF}, "max_tokens"
    else:
        block, delta, stop = {"type": "text", "text": ""}, {"type": "text_delta", "text": "ok"}, "end_turn"
    return [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None}, "usage": usage},
        {"type": "message_stop"},
    ]

class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answer = (chat if "chat" in self.path else messages)(body)
        streamed = isinstance(answer, list)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if streamed else "application/json")
        self.end_headers()
        for event in answer if streamed else ():
            kind = f"event: {event['type']}\n" if "type" in event else ""
            self.wfile.write(f"{kind}data: {json.dumps(event)}\n\n".encode())
        if not streamed:
            self.wfile.write(json.dumps(answer).encode())

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
open("port", "w").write(str(server.server_port))
server.serve_forever()
PYTHON
python3 provider.py & provider=$!
until [ -s port ]; do sleep 0.1; done

cat > agent.py <<'PYTHON'
import sys

from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

url, written = f"http://127.0.0.1:{open('port').read()}", []

@tool
def write_file(path: str, text: str) -> str:
    "Write a file."
    written.append(text)
    return "written"

def openai(name, **settings):
    return ChatOpenAI(model=name, base_url=url + "/v1", api_key="x", max_retries=0, **settings)

def run(label, model, mode=None):
    written.clear()
    agent = create_agent(model, [write_file])
    question = {"messages": [{"role": "user", "content": "Write the configuration."}]}
    if mode:
        list(agent.stream(question, stream_mode=mode))
    else:
        agent.invoke(question)
    print(f"{label:47} runs", f"write_file with {written[0]!r}" if written else "nothing")
    return len(written)

claude = ChatAnthropic(model="m", base_url=url, api_key="x", max_retries=0, max_tokens=9)
runs = [
    run("openai    length      invoke", openai("length")),
    run("openai    length      stream, values", openai("length"), "values"),
    run("openai    length      stream, messages", openai("length"), "messages"),
    run("openai    length      invoke, streaming=True", openai("length", streaming=True)),
    run("openai    no reason   stream, messages", openai("none"), "messages"),
    run("anthropic max_tokens  stream, messages", claude, "messages"),
]
sys.exit(runs != [0, 0, 1, 1, 1, 1])
PYTHON
py/bin/python agent.py
