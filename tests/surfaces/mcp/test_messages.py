from __future__ import annotations

import json

import pytest
from mcp_types import JSONRPCNotification, JSONRPCRequest, JSONRPCResponse

from rightmodel.surfaces.mcp.stdio import InvalidMessageError, decode, encode

HEAD = b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"a":'


def request(argument: bytes) -> JSONRPCRequest:
    (message,) = decode(HEAD + argument + b"}}")
    assert isinstance(message, JSONRPCRequest)
    assert message.id == 7
    assert message.params is not None
    return message


@pytest.mark.parametrize(
    ("argument", "understood"),
    [
        (rb'"cut \ud83d here"', "cut \ufffd here"),
        (rb'"\ude00\ud83d"', "\ufffd\ufffd"),
        (rb'"\ud83d\ude00"', "\U0001f600"),
        (rb'"\ud83d\ud83d\ude00"', "\ufffd\U0001f600"),
        (rb'"\\ud83d"', "\\ud83d"),
        (b'"\xff"', "\ufffd"),
        (b'"\xed\xa0\xbd"', "\ufffd\ufffd\ufffd"),
        (b'"a\tb"', "a\tb"),
        (b"9" * 5000, float("inf")),
        (b"1e999", float("inf")),
        (rb'{"\ud83d": [1]}', {"\ufffd": [1]}),
    ],
)
def test_an_argument_that_is_not_valid_unicode_or_too_large_is_read_as_well_as_can_be(
    argument: bytes, understood: object
) -> None:
    assert (request(argument).params or {})["a"] == understood
    json.loads(encode(request(argument)))


@pytest.mark.parametrize(
    ("line", "request_id"),
    [
        (b'{"jsonrpc":"2.0","id":4,"method":"ping"', 4),
        (b'{"jsonrpc":"2.0","params":{"id":9,"x":"\\"id\\":9"},"id":"four","meth', "four"),
        (HEAD + b"[" * 100_000 + b"]" * 100_000 + b"}}", 7),
        (HEAD + b"undefined}}", 7),
        (b'\xff\xfe{"id":4,', 4),
        (b"hello", None),
        (b'"id": 3', None),
        (b'{"id": 12345678901234567890123, ', None),
        (b"12", None),
        (b"[]", None),
        (b'{"id":4,"method":"ping"}', 4),
        (b'{"jsonrpc":"1.0","id":4,"method":"ping"}', 4),
        (b'{"jsonrpc":"2.0","id":4,"method":"ping","params":[1]}', 4),
        (b'{"jsonrpc":"2.0","id":4,"method":1}', 4),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', 1.5),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', None),
        (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', None),
        (b'{"jsonrpc":"2.0","id":{"a":1},"method":"ping"}', None),
    ],
)
def test_an_invalid_message_is_answered_under_the_id_that_can_be_read(
    line: bytes, request_id: object
) -> None:
    (reply,) = decode(line)
    assert isinstance(reply, InvalidMessageError)
    sent = json.loads(encode(reply))
    assert sent["id"] == request_id
    assert sent["error"]["code"] in {-32700, -32600}


def test_a_batch_is_taken_apart() -> None:
    first, second, third = decode(
        b'[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"x"},5]'
    )
    assert isinstance(first, JSONRPCRequest)
    assert isinstance(second, JSONRPCNotification)
    assert isinstance(third, InvalidMessageError)


def test_a_whole_number_as_id_is_an_integer() -> None:
    (message,) = decode(b'{"jsonrpc":"2.0","id":3.0,"method":"ping"}')
    assert isinstance(message, JSONRPCRequest)
    assert message.id == 3


def test_a_blank_line_is_no_message() -> None:
    assert [*decode(b" \r"), *decode(b"")] == []


def test_an_answer_that_is_not_valid_unicode_is_sent_well_formed() -> None:
    answer = JSONRPCResponse(jsonrpc="2.0", id=1, result={"text": "a\ud83d\\ud83d\u56fd"})
    assert json.loads(encode(answer))["result"] == {"text": "a\ufffd\\ud83d\u56fd"}
