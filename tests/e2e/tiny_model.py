"""A language model of a quarter of a megabyte, weights and all, that real engines load.

It is a llama with one layer that adds nothing, so the next token depends on the last one alone:
after the chat template's last token it says `ANSWER`, word by word, and stops. Where a grammar
forbids that, every token that is left is equally likely.

The file format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ANSWER: Final = "The capital of France is Paris."
WINDOW: Final = 1024
"""Tokens; one is one byte of a prompt."""

_WIDTH: Final = 64
_HEADS: Final = 2
_WORDS: Final = ("▁The", "▁capital", "▁of", "▁France", "▁is", "▁Paris", ".")
_END: Final = "</s>"
_SPEAK: Final = "<|assistant|>"
# (token, kind): 1 is a word, 2 unknown, 3 control, 6 a byte
_VOCABULARY: Final = (
    ("<unk>", 2), ("<s>", 3), (_END, 3),
    *((f"<0x{byte:02X}>", 6) for byte in range(256)),
    ("<|user|>", 3), (_SPEAK, 3),
    *((word, 1) for word in _WORDS),
)  # fmt: skip
_TEMPLATE: Final = (
    "{% for message in messages %}<|user|>{{ message['content'] }}{% endfor %}"
    f"{{% if add_generation_prompt %}}{_SPEAK}{{% endif %}}"
)
_U32, _I32, _F32, _TEXT, _LIST = 4, 5, 6, 8, 9
_ALIGNMENT: Final = 32


def write(path: Path) -> None:
    """Write the model."""
    facts, tensors = _facts(), _tensors()
    head = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(facts)), *facts]
    body = b""
    for name, shape, values in tensors:
        dimensions = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        head.append(_text(name) + dimensions + struct.pack("<IQ", 0, len(body)))
        body += _padded(struct.pack(f"<{len(values)}f", *values))
    path.write_bytes(_padded(b"".join(head)) + body)


def _tensors() -> list[tuple[str, tuple[int, ...], Sequence[float]]]:
    names = [token for token, _ in _VOCABULARY]
    chain = [_SPEAK, *_WORDS, _END]
    place = {token: i for i, token in enumerate(chain[:-1])}
    # A token of the chain has a direction of its own, all others share the last one.
    read = [[0.0] * _WIDTH for _ in names]
    said = [[0.0] * _WIDTH for _ in names]
    for row, token in zip(read, names, strict=True):
        row[place.get(token, _WIDTH - 1)] = 1.0
    for token, following in pairwise(chain):
        said[names.index(following)][place[token]] = 10.0
    said[names.index(_END)][_WIDTH - 1] = 10.0
    ones, nothing = [1.0] * _WIDTH, [0.0] * _WIDTH * _WIDTH
    blocks = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    return [
        ("token_embd.weight", (_WIDTH, len(names)), [v for row in read for v in row]),
        ("output.weight", (_WIDTH, len(names)), [v for row in said for v in row]),
        ("output_norm.weight", (_WIDTH,), ones),
        ("blk.0.attn_norm.weight", (_WIDTH,), ones),
        ("blk.0.ffn_norm.weight", (_WIDTH,), ones),
        *((f"blk.0.{name}.weight", (_WIDTH, _WIDTH), nothing) for name in blocks),
    ]


def _facts() -> list[bytes]:
    names = [token for token, _ in _VOCABULARY]
    numbers = {
        "llama.context_length": WINDOW,
        "llama.embedding_length": _WIDTH,
        "llama.block_count": 1,
        "llama.feed_forward_length": _WIDTH,
        "llama.attention.head_count": _HEADS,
        "llama.rope.dimension_count": _WIDTH // _HEADS,
        "llama.vocab_size": len(names),
        "tokenizer.ggml.unknown_token_id": names.index("<unk>"),
        "tokenizer.ggml.bos_token_id": names.index("<s>"),
        "tokenizer.ggml.eos_token_id": names.index(_END),
    }
    texts = {
        "general.architecture": "llama",
        "general.name": "tiny",
        "tokenizer.ggml.model": "llama",
        "tokenizer.chat_template": _TEMPLATE,
    }
    count = len(names)
    kinds = struct.pack(f"<{count}i", *(kind for _, kind in _VOCABULARY))
    return [
        *(_text(key) + struct.pack("<I", _TEXT) + _text(value) for key, value in texts.items()),
        *(_text(key) + struct.pack("<II", _U32, value) for key, value in numbers.items()),
        _text("llama.attention.layer_norm_rms_epsilon") + struct.pack("<If", _F32, 1e-5),
        _list("tokenizer.ggml.tokens", _TEXT, count, b"".join(map(_text, names))),
        _list("tokenizer.ggml.scores", _F32, count, bytes(4 * count)),
        _list("tokenizer.ggml.token_type", _I32, count, kinds),
    ]


def _list(key: str, kind: int, count: int, values: bytes) -> bytes:
    return _text(key) + struct.pack("<IIQ", _LIST, kind, count) + values


def _text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _ALIGNMENT)
