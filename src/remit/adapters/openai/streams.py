"""An answer that comes in pieces: read as server-sent events, passed on, and put together for the record. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

_END = b"[DONE]"


class Events:
    """Cuts bytes as they arrive into the data of server-sent events."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The data of each event that is whole now."""
        self._rest += piece.replace(b"\r\n", b"\n")
        while (end := self._rest.find(b"\n\n")) >= 0:
            event, self._rest = self._rest[:end], self._rest[end + 2 :]
            data = b"\n".join(line[5:].lstrip(b" ") for line in event.split(b"\n") if line.startswith(b"data:"))
            if data:
                yield data


class ChatAnswer:
    """A chat completion from its chunks."""

    def __init__(self) -> None:
        self.ended = False
        self.usage: Mapping[str, Any] | None = None
        self._head: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}

    def take(self, data: bytes) -> dict[str, Any] | None:
        """One event's data; returns the chunk as the client may see it, None for the end.

        Raises:
            ValueError, TypeError, AttributeError: it is not what a model answers.
        """
        if data.strip() == _END:
            self.ended = True
            return None
        chunk = orjson.loads(data)
        if not isinstance(chunk, dict) or not isinstance(chunk.get("choices", []), list):
            raise TypeError("not a chunk of a completion")
        self._head |= {name: chunk[name] for name in ("id", "created", "model", "system_fingerprint") if name in chunk}
        if chunk.get("usage"):
            self.usage = chunk["usage"]
        for choice in chunk.get("choices", []):
            self._merge(choice)
        return chunk

    def answer(self) -> dict[str, Any]:
        """The completion as it would have come in one piece."""
        choices = [self._choices[index] for index in sorted(self._choices)]
        whole: dict[str, Any] = {**self._head, "object": "chat.completion", "choices": choices}
        if self.usage:
            whole["usage"] = self.usage
        return whole

    def _merge(self, choice: Mapping[str, Any]) -> None:
        index = int(choice.get("index", 0))
        held = self._choices.setdefault(
            index, {"index": index, "message": {"role": "assistant", "content": None}, "finish_reason": None}
        )
        if choice.get("finish_reason"):
            held["finish_reason"] = choice["finish_reason"]
        message = held["message"]
        for name, value in (choice.get("delta") or {}).items():
            if name == "tool_calls":
                _merge_calls(message.setdefault("tool_calls", []), value or ())
            elif name == "role":
                message["role"] = value or message["role"]
            elif isinstance(value, str):
                message[name] = (message.get(name) or "") + value
            elif value is not None:
                message[name] = value


def _merge_calls(held: list[dict[str, Any]], pieces: Any) -> None:
    for piece in pieces:
        index = int(piece.get("index", len(held)))
        while len(held) <= index:
            held.append({"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
        call = held[index]
        call["id"] = piece.get("id") or call["id"]
        call["type"] = piece.get("type") or call["type"]
        function = piece.get("function") or {}
        call["function"]["name"] += function.get("name") or ""
        call["function"]["arguments"] += function.get("arguments") or ""


class ResponseAnswer:
    """A response of the newer form: its last event holds the whole."""

    def __init__(self) -> None:
        self.ended = False
        self._whole: dict[str, Any] = {}

    @property
    def usage(self) -> Mapping[str, Any] | None:
        """What was used, as far as it was told."""
        return self._whole.get("usage")

    def take(self, data: bytes) -> dict[str, Any] | None:
        """One event's data, as the client may see it.

        Raises:
            ValueError, TypeError, AttributeError: it is not what a model answers.
        """
        if data.strip() == _END:
            self.ended = True
            return None
        event = orjson.loads(data)
        if not isinstance(event, dict) or not isinstance(event.get("type"), str):
            raise TypeError("not an event of a response")
        if isinstance(event.get("response"), dict):
            self._whole = event["response"]
        self.ended = self.ended or event["type"] in {"response.completed", "response.incomplete", "response.failed"}
        return event

    def answer(self) -> dict[str, Any]:
        """The response as it would have come in one piece."""
        return self._whole


def tokens_of(usage: Mapping[str, Any] | None) -> tuple[int, int] | None:
    """Tokens in and out, in either form's words; None where they were not told."""
    if not usage:
        return None
    tokens_in = usage.get("prompt_tokens", usage.get("input_tokens"))
    tokens_out = usage.get("completion_tokens", usage.get("output_tokens", 0))
    if not isinstance(tokens_in, int) or not isinstance(tokens_out, int) or tokens_in < 0 or tokens_out < 0:
        return None
    return tokens_in, tokens_out


def cached_tokens(usage: Mapping[str, Any] | None) -> int:
    """Of the tokens in, those that were read from the provider's cache."""
    details = (usage or {}).get("prompt_tokens_details") or (usage or {}).get("input_tokens_details") or {}
    cached = details.get("cached_tokens", 0) if isinstance(details, Mapping) else 0
    return cached if isinstance(cached, int) and cached >= 0 else 0
