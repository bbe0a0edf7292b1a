"""The official SDKs as clients of the gateway, behind one small face."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, Self

import anthropic
import openai

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
    "AABJRU5ErkJggg=="
)


class Call(NamedTuple):
    id: str
    name: str
    arguments: Any


class Said(NamedTuple):
    """What a turn brought. `tokens`: of the prompt and the answer."""

    text: str
    calls: list[Call]
    tokens: tuple[int, int]


class Sdk(ABC):
    """A conversation with an SDK. What it answers goes back as the SDK returned it."""

    not_found: ClassVar[type[Exception]]
    rate_limited: ClassVar[type[Exception]]
    server_error: ClassVar[type[Exception]]
    broken_off: ClassVar[type[Exception]]

    def __init__(self, url: str) -> None:
        self.turns: list[Any] = []
        self._sdk = self._connected(url)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._sdk.close()

    @abstractmethod
    def _connected(self, url: str) -> Any: ...

    def user(self, text: str, *, image: bool = False) -> None:
        content: Any = [self._text(text), self._image()] if image else text
        self.turns.append({"role": "user", "content": content})

    async def turn(
        self,
        *,
        model: str = "auto",
        stream: bool = False,
        tools: dict[str, Any] | None = None,
        schema: dict[str, Any] | None = None,
        **more: Any,
    ) -> Said:
        """`tools`: name → JSON Schema of the arguments. `more`: of the SDK's own."""
        if tools is not None:
            more["tools"] = [self._tool(name, parameters) for name, parameters in tools.items()]
        if schema is not None:
            more |= self._format(schema)
        return await self._turn(model, more, stream=stream)

    @abstractmethod
    async def _turn(self, model: str, more: dict[str, Any], *, stream: bool) -> Said: ...
    @abstractmethod
    def results(self, found: dict[str, str]) -> None:
        """`found`: id of a call → its result."""

    @abstractmethod
    def _text(self, text: str) -> dict[str, Any]: ...
    @abstractmethod
    def _image(self) -> dict[str, Any]: ...
    @abstractmethod
    def _tool(self, name: str, parameters: dict[str, Any]) -> dict[str, Any]: ...
    @abstractmethod
    def _format(self, schema: dict[str, Any]) -> dict[str, Any]: ...


class Chat(Sdk):
    not_found, rate_limited = openai.NotFoundError, openai.RateLimitError
    server_error, broken_off = openai.InternalServerError, openai.APIError

    def _connected(self, url: str) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)

    async def _turn(self, model: str, more: dict[str, Any], *, stream: bool) -> Said:
        asked: dict[str, Any] = {"model": model, "messages": self.turns, **more}
        if stream:
            usage = {"include_usage": True}
            async with self._sdk.chat.completions.stream(**asked, stream_options=usage) as events:
                found = await events.get_final_completion()
        else:
            found = await self._sdk.chat.completions.create(**asked)
        message = found.choices[0].message
        self.turns.append(message.to_dict())
        calls = [
            Call(c.id, c.function.name, json.loads(c.function.arguments))
            for c in message.tool_calls or ()
        ]
        assert (found.choices[0].finish_reason == "tool_calls") == bool(calls)
        assert found.usage is not None
        tokens = found.usage.prompt_tokens, found.usage.completion_tokens
        return Said(message.content or "", calls, tokens)

    def results(self, found: dict[str, str]) -> None:
        self.turns += [{"role": "tool", "tool_call_id": k, "content": v} for k, v in found.items()]

    def _text(self, text: str) -> dict[str, Any]:
        return {"type": "text", "text": text}

    def _image(self) -> dict[str, Any]:
        return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}

    def _tool(self, name: str, parameters: dict[str, Any]) -> dict[str, Any]:
        described = {"name": name, "description": name, "parameters": parameters, "strict": True}
        return {"type": "function", "function": described}

    def _format(self, schema: dict[str, Any]) -> dict[str, Any]:
        named = {"name": "answer", "schema": schema, "strict": True}
        return {"response_format": {"type": "json_schema", "json_schema": named}}


class Responses(Sdk):
    not_found, rate_limited = openai.NotFoundError, openai.RateLimitError
    server_error, broken_off = openai.InternalServerError, openai.APIError

    def _connected(self, url: str) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)

    async def _turn(self, model: str, more: dict[str, Any], *, stream: bool) -> Said:
        asked: dict[str, Any] = {"model": model, "input": self.turns, "store": False, **more}
        if stream:
            async with self._sdk.responses.stream(**asked) as events:
                found: Any = await events.get_final_response()
        else:
            found = await self._sdk.responses.create(**asked)
        assert found.status == "completed"
        self.turns += [item.to_dict() for item in found.output]
        calls = [
            Call(item.call_id, item.name, json.loads(item.arguments))
            for item in found.output
            if item.type == "function_call"
        ]
        assert found.usage is not None
        return Said(found.output_text, calls, (found.usage.input_tokens, found.usage.output_tokens))

    def results(self, found: dict[str, str]) -> None:
        self.turns += [
            {"type": "function_call_output", "call_id": k, "output": v} for k, v in found.items()
        ]

    def _text(self, text: str) -> dict[str, Any]:
        return {"type": "input_text", "text": text}

    def _image(self) -> dict[str, Any]:
        return {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}

    def _tool(self, name: str, parameters: dict[str, Any]) -> dict[str, Any]:
        described = {"name": name, "description": name, "parameters": parameters, "strict": True}
        return {"type": "function", **described}

    def _format(self, schema: dict[str, Any]) -> dict[str, Any]:
        named = {"type": "json_schema", "name": "answer", "schema": schema, "strict": True}
        return {"text": {"format": named}}


class Messages(Sdk):
    not_found, rate_limited = anthropic.NotFoundError, anthropic.RateLimitError
    server_error, broken_off = anthropic.InternalServerError, anthropic.APIError

    def _connected(self, url: str) -> anthropic.AsyncAnthropic:
        return anthropic.AsyncAnthropic(base_url=url, api_key="none", max_retries=0)

    async def _turn(self, model: str, more: dict[str, Any], *, stream: bool) -> Said:
        asked: dict[str, Any] = {"model": model, "messages": self.turns, "max_tokens": 4000, **more}
        if stream:
            async with self._sdk.messages.stream(**asked) as events:
                found: Any = await events.get_final_message()
        else:
            found = await self._sdk.messages.create(**asked)
        self.turns.append({"role": "assistant", "content": [b.to_dict() for b in found.content]})
        calls = [Call(b.id, b.name, b.input) for b in found.content if b.type == "tool_use"]
        assert (found.stop_reason == "tool_use") == bool(calls)
        text = "".join(b.text for b in found.content if b.type == "text")
        return Said(text, calls, (found.usage.input_tokens, found.usage.output_tokens))

    def results(self, found: dict[str, str]) -> None:
        blocks = [{"type": "tool_result", "tool_use_id": k, "content": v} for k, v in found.items()]
        self.turns.append({"role": "user", "content": blocks})

    def _text(self, text: str) -> dict[str, Any]:
        return {"type": "text", "text": text}

    def _image(self) -> dict[str, Any]:
        source = {"type": "base64", "media_type": "image/png", "data": PNG}
        return {"type": "image", "source": source}

    def _tool(self, name: str, parameters: dict[str, Any]) -> dict[str, Any]:
        return {"name": name, "description": name, "input_schema": parameters}

    def _format(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}


SDKS: Final[Mapping[str, Callable[[str], Sdk]]] = {
    "chat completions": Chat,
    "responses": Responses,
    "messages": Messages,
}
