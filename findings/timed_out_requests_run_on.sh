#!/bin/bash
# A question that times out is generated three times by LitServe and `transformers serve`, for nobody.
#
# Versions: litserve 0.2.19, transformers 5.24.0 (`transformers serve`, torch 2.13.0),
# openai 3.57.0 (PyPI).
#
# Behaviour: the client gives up on a slow answer and closes the connection. `transformers serve` stops
# where the answer was streamed; without a stream it generates to the last token. LitServe, with its
# OpenAISpec, generates to the end either way. One answer is generated at a time, so the work for
# nobody comes before the next question; and as OpenAI's SDK sends a request that timed out twice more,
# it is three answers' work. A timeout that is shorter than the answer keeps such a server busy and
# never gets anything out of it, and the longer the queue, the more requests time out.
#
# Seen on 2026-11-29, what is done for nobody while the next question waits:
#   litserve      timeout: three answers  stream left: the rest of it
#   transformers  timeout: three answers  stream left: stopped
set -euo pipefail
folder=$(mktemp -d)
end() { [ -z "${server:-}" ] || { kill -- "-$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; }; }
trap 'end; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv py
py/bin/pip install -q --no-compile --disable-pip-version-check torch==2.13.0 "transformers[serving]==5.24.0" \
  litserve==0.2.19 openai==3.57.0
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

# A tenth of a second of work for each word: forty words, or one where the question is short.
cat > litserve.server.py <<'PYTHON'
import sys
import time
import litserve

class Words(litserve.LitAPI):
    def setup(self, device):
        pass

    def predict(self, request):
        for number in range(1 if request.messages[-1].content == "short" else 40):
            until = time.process_time() + 0.1
            while time.process_time() < until:
                pass
            yield f"word{number} "

if __name__ == "__main__":
    server = litserve.LitServer(Words(spec=litserve.OpenAISpec()), accelerator="cpu")
    server.run(port=int(sys.argv[1]), host="127.0.0.1", generate_client_file=False)
PYTHON

# An untrained model of some hundred kB whose tokens are bytes.
cat > write_model.py <<'PYTHON'
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

letters = sorted(pre_tokenizers.ByteLevel.alphabet())
vocabulary = {token: place for place, token in enumerate([*letters, "</s>"])}
tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", pad_token="</s>")
fast.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
fast.save_pretrained("tiny")
model = LlamaForCausalLM(LlamaConfig(
    vocab_size=len(vocabulary), hidden_size=64, intermediate_size=64, num_hidden_layers=2,
    num_attention_heads=2, bos_token_id=None, eos_token_id=None, pad_token_id=256))
model.generation_config.eos_token_id = None
model.save_pretrained("tiny")
PYTHON
export HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1
py/bin/python write_model.py > model.log 2>&1

cat > ask.py <<'PYTHON'
import sys
import time
from pathlib import Path
import openai

name, server, port, model, tokens = sys.argv[1:]
client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", timeout=120)

def ask(client=client, text="long", **more):
    started = time.monotonic()
    answer = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": text}],
        max_tokens=1 if text == "short" else int(tokens), **more)
    return answer, time.monotonic() - started

for _ in range(600):
    try:
        ask(client.with_options(max_retries=0), "short")
        break
    except openai.APIConnectionError:
        time.sleep(0.1)
def spent():
    """Processor time of the server and its children."""
    stats = [path.read_text().rpartition(")")[2].split() for path in Path("/proc").glob("[0-9]*/stat")]
    return sum(int(stat[11]) + int(stat[12]) for stat in stats if stat[3] == server)

def answers(work):
    """How many whole answers' work the server does for this until it answers a short question."""
    before = spent()
    work()
    ask(text="short")
    return (spent() - before) / whole

def time_out():
    try:
        ask(client.with_options(timeout=seconds / 5))
    except openai.APITimeoutError:
        return
    raise SystemExit("it was answered in time")

def leave():
    stream, _ = ask(stream=True)
    next(iter(stream))
    stream.close()

before = spent()
seconds = ask()[1]
whole = spent() - before
timed_out, left = answers(time_out), answers(leave)
print(f"{name:13} timeout: {'three answers' if timed_out > 2 else 'stopped':14} "
      f"stream left: {'the rest of it' if left > 0.5 else 'stopped'}")
print(f"{name}: {timed_out:.2f} and {left:.2f} of {seconds:.1f} s", file=sys.stderr)
PYTHON

run() {  # NAME MODEL TOKENS COMMAND...
  setsid "${@:4}" > "$1.log" 2>&1 & server=$!
  py/bin/python ask.py "$1" "$server" "$port" "$2" "$3" >> seen
  tail -n 1 seen
  end
}
run litserve m 40 py/bin/python litserve.server.py "$port"
run transformers ./tiny 2000 py/bin/transformers serve ./tiny --port "$port" --device cpu

diff - seen <<'EXPECTED'
litserve      timeout: three answers  stream left: the rest of it
transformers  timeout: three answers  stream left: stopped
EXPECTED
