#!/bin/bash
# Tracing loses streams of a model that fail after their first event, or calls them successful.
#
# Versions: opentelemetry-instrumentation-openai and -anthropic 0.62.4 (OpenLLMetry),
# openinference-instrumentation-openai 0.1.66 and -anthropic 3.1.0,
# opentelemetry-instrumentation-genai-openai and -genai-anthropic 1.3b0 (OpenTelemetry's own), with
# opentelemetry-sdk 1.45.2, openai 3.57.0 and anthropic 2.14.0 (PyPI), Python 3.11.
#
# Behaviour: a provider reports an overload in the middle of a stream, where the status 200 is
# already sent. OpenLLMetry then records an Anthropic call by no span at all, although the SDK raises,
# and one of OpenAI by a span with status OK. A reader who leaves Anthropic's stream early leaves no
# span either. OpenInference notes the failure except in the Responses API, whose `response.failed`
# gives a span with status OK and no counts. Only OpenTelemetry's own instrumentation has an error for
# each. OpenLLMetry also adds Anthropic's two counts of output tokens up: `message_start` says 1,
# `message_delta` 5, which is the total so far, and the span says 6. A rate of errors, or a bill, that
# is computed from spans is thus too low where failures come late, and differs by the instrumentation.
#
# Seen on 2026-11-29 ("left": the reader stops after the first events):
#   openllmetry   messages   whole: OK, 6 tokens        fails: no span              left: no span
#   openllmetry   chat       whole: OK, 5 tokens        fails: OK, no tokens        left: OK, no tokens
#   openllmetry   responses  whole: OK, 5 tokens        fails: OK, no tokens        left: OK, no tokens
#   openinference messages   whole: OK, 5 tokens        fails: ERROR, 1 tokens      left: no error, 1 tokens
#   openinference chat       whole: OK, 5 tokens        fails: ERROR, no tokens     left: no error, no tokens
#   openinference responses  whole: OK, 5 tokens        fails: OK, no tokens        left: no error, no tokens
#   opentelemetry messages   whole: no error, 5 tokens  fails: ERROR, 1 tokens      left: no error, 1 tokens
#   opentelemetry chat       whole: no error, 5 tokens  fails: ERROR, no tokens     left: no error, no tokens
#   opentelemetry responses  whole: no error, 5 tokens  fails: ERROR, no tokens     left: no error, no tokens
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${provider:-}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv py
py/bin/pip install -q --no-compile --disable-pip-version-check \
  opentelemetry-instrumentation-openai==0.62.4 opentelemetry-instrumentation-anthropic==0.62.4 \
  openinference-instrumentation-openai==0.1.66 openinference-instrumentation-anthropic==3.1.0 \
  opentelemetry-instrumentation-genai-openai==1.3b0 opentelemetry-instrumentation-genai-anthropic==1.3b0 \
  opentelemetry-sdk==1.45.2 openai==3.57.0 anthropic==2.14.0

# A provider that streams "Hello there" by three APIs, or reports an overload after the first word.
cat > provider.py <<'PYTHON'
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OVERLOAD = {"type": "overloaded_error", "message": "Overloaded"}

def messages(fails):
    usage = {"input_tokens": 9, "output_tokens": 1}
    yield {"type": "message_start", "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": usage}}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    for word in ("Hello ", "there"):
        delta = {"type": "text_delta", "text": word}
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
        if fails:
            yield {"type": "error", "error": OVERLOAD}
            return
    yield {"type": "content_block_stop", "index": 0}
    yield {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
           "usage": {"output_tokens": 5}}
    yield {"type": "message_stop"}

def chat(fails):
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    for word, finish in (("Hello ", None), ("there", "stop")):
        delta = {"role": "assistant", "content": word}
        yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        if fails:
            yield {"error": OVERLOAD}
            return
    usage = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
    yield {**head, "choices": [], "usage": usage}

def responses(fails):
    response = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "output": [],
                "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    item = {"type": "message", "id": "msg_1", "role": "assistant"}
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    text = {"type": "output_text", "text": "Hello there", "annotations": []}
    yield {"type": "response.created", "response": {**response, "status": "in_progress"}}
    yield {"type": "response.output_item.added", "output_index": 0,
           "item": {**item, "status": "in_progress", "content": []}}
    yield {"type": "response.content_part.added", **place, "part": {**text, "text": ""}}
    for word in ("Hello ", "there"):
        yield {"type": "response.output_text.delta", **place, "delta": word, "logprobs": []}
        if fails:
            error = {"code": "server_error", "message": "Overloaded"}
            yield {"type": "response.failed", "response": {**response, "status": "failed", "error": error}}
            return
    usage = {"input_tokens": 9, "output_tokens": 5, "total_tokens": 14,
             "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    item = {**item, "status": "completed", "content": [text]}
    yield {"type": "response.output_item.done", "output_index": 0, "item": item}
    yield {"type": "response.completed",
           "response": {**response, "status": "completed", "output": [item], "usage": usage}}

class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        make = {"messages": messages, "completions": chat, "responses": responses}[self.path.split("/")[-1]]
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for number, event in enumerate(make(body["model"] == "fails")):
            kind = f"event: {event['type']}\n" if "type" in event else ""
            event = {"sequence_number": number, **event} if make is responses else event
            self.wfile.write(f"{kind}data: {json.dumps(event)}\n\n".encode())
        if make is chat:
            self.wfile.write(b"data: [DONE]\n\n")

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
open("port", "w").write(str(server.server_port))
server.serve_forever()
PYTHON
python3 provider.py 2> provider.log & provider=$!
until [ -s port ]; do sleep 0.1; done

cat > trace.py <<'PYTHON'
import gc
import importlib
import logging
import sys

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

name, package = sys.argv[1:]
spans, tracing = InMemorySpanExporter(), TracerProvider()
tracing.add_span_processor(SimpleSpanProcessor(spans))
for sdk, instrumentor in (("openai", "OpenAIInstrumentor"), ("anthropic", "AnthropicInstrumentor")):
    getattr(importlib.import_module(f"{package}.{sdk}"), instrumentor)().instrument(tracer_provider=tracing)
logging.disable()

import anthropic
import openai

url = f"http://127.0.0.1:{open('port').read()}"
claude = anthropic.Anthropic(base_url=url, api_key="x", max_retries=0)
gpt = openai.OpenAI(base_url=url, api_key="x", max_retries=0)
question = [{"role": "user", "content": "Hello?"}]

def read(events, only=None):
    for number, _ in enumerate(events, 1):
        if number == only:
            return

def messages(model, only=None):
    with claude.messages.stream(model=model, max_tokens=99, messages=question) as stream:
        read(stream, only)

def chat(model, only=None):
    with gpt.chat.completions.create(
        model=model, messages=question, stream=True, stream_options={"include_usage": True}
    ) as stream:
        read(stream, only)

def responses(model, only=None):
    with gpt.responses.create(model=model, input="Hello?", stream=True) as stream:
        read(stream, only)

def traced(call, *arguments):
    spans.clear()
    try:
        call(*arguments)
    except (anthropic.APIError, openai.APIError):
        pass
    gc.collect()
    found = spans.get_finished_spans()
    if not found:
        return "no span"
    status = found[0].status.status_code.name.replace("UNSET", "no error")
    counts = [v for k, v in found[0].attributes.items()
              if k in ("gen_ai.usage.output_tokens", "llm.token_count.completion")]
    return f"{status}, {counts[0] if counts else 'no'} tokens"

for call, events in ((messages, 3), (chat, 1), (responses, 4)):
    whole, fails, left = traced(call, "whole"), traced(call, "fails"), traced(call, "whole", events)
    print(f"{name:13} {call.__name__:9}  whole: {whole:18}  fails: {fails:19}  left: {left}")
PYTHON
{
  py/bin/python trace.py openllmetry opentelemetry.instrumentation
  py/bin/python trace.py openinference openinference.instrumentation
  py/bin/python trace.py opentelemetry opentelemetry.instrumentation.genai
} | tee seen

diff - seen <<'EXPECTED'
openllmetry   messages   whole: OK, 6 tokens        fails: no span              left: no span
openllmetry   chat       whole: OK, 5 tokens        fails: OK, no tokens        left: OK, no tokens
openllmetry   responses  whole: OK, 5 tokens        fails: OK, no tokens        left: OK, no tokens
openinference messages   whole: OK, 5 tokens        fails: ERROR, 1 tokens      left: no error, 1 tokens
openinference chat       whole: OK, 5 tokens        fails: ERROR, no tokens     left: no error, no tokens
openinference responses  whole: OK, 5 tokens        fails: OK, no tokens        left: no error, no tokens
opentelemetry messages   whole: no error, 5 tokens  fails: ERROR, 1 tokens      left: no error, 1 tokens
opentelemetry chat       whole: no error, 5 tokens  fails: ERROR, no tokens     left: no error, no tokens
opentelemetry responses  whole: no error, 5 tokens  fails: ERROR, no tokens     left: no error, no tokens
EXPECTED
