"""A Model Context Protocol server over standard input and output: tools of text arguments, nothing asked back.

The protocol's own library takes most of a second to import, which each start of the pack would pay.
"""

import json
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Any, BinaryIO

_log = logging.getLogger(__name__)

#: Revisions of the protocol that begin with a handshake, the newest first.
VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602

Json = Mapping[str, Any]


class ToolFailed(Exception):
    """A tool says no; its words go to whoever called."""


@dataclass(frozen=True, slots=True)
class Offered:
    """One tool: its definition as the client sees it, and what carries a call out."""

    definition: Json
    call: Callable[..., Json]


class StdioServer:
    """Answers one client until its input is closed. Calls run one after the other, beside the reading of messages."""

    def __init__(self, name: str, tools: Mapping[str, Offered], *, source: BinaryIO, sink: BinaryIO) -> None:
        self._name = name
        self._tools = tools
        self._source = source
        self._sink = sink
        self._writing = Lock()
        # One thread: the first calls import libraries that are not made for several at once, and all are pure Python.
        self._calls = ThreadPoolExecutor(1)
        self._waiting: dict[Any, Future[None]] = {}

    def run(self, *, drop: bool = True) -> None:
        """Serve until the end of the input; calls that have not begun by then are dropped, or answered."""
        for line in self._source:
            if line.strip():
                self._take(line)
        self._calls.shutdown(cancel_futures=drop)

    def _take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            self._refuse(None, PARSE_ERROR, "The line is not JSON.")
            return
        if not isinstance(message, dict) or not isinstance(method := message.get("method"), str):
            # An answer: this server asks nothing, so that there is nothing to do with it.
            if not isinstance(message, dict) or ("result" not in message and "error" not in message):
                self._refuse(None, INVALID_REQUEST, "The message is neither a request nor a notification.")
            return
        params = message.get("params")
        params = params if isinstance(params, dict) else {}
        if "id" not in message:
            if method == "notifications/cancelled" and (call := self._waiting.get(params.get("requestId"))) is not None:
                call.cancel()
        elif method == "tools/call":
            self._begin(message["id"], params)
        else:
            self._answer_at_once(message["id"], method, params)

    def _answer_at_once(self, number: Any, method: str, params: Json) -> None:
        match method:
            case "initialize":
                wanted = params.get("protocolVersion")
                version = wanted if wanted in VERSIONS else VERSIONS[0]
                offers = {"tools": {"listChanged": False}}
                told = {"protocolVersion": version, "capabilities": offers, "serverInfo": self._identity()}
                self._reply(number, told)
            case "ping":
                self._reply(number, {})
            case "tools/list":
                self._reply(number, {"tools": [tool.definition for tool in self._tools.values()]})
            case _:
                self._refuse(number, METHOD_NOT_FOUND, "This server has no such method.")

    def _identity(self) -> Json:
        from importlib.metadata import version  # noqa: PLC0415 -- told once in a server's life, and slow to import

        return {"name": self._name, "version": version("remit")}

    def _begin(self, number: Any, params: Json) -> None:
        tool = self._tools.get(str(params.get("name")))
        if tool is None:
            self._refuse(number, INVALID_PARAMS, "This server has no such tool.")
            return
        if not isinstance(number, str | int):
            self._refuse(None, INVALID_REQUEST, "A request's id is text or a number.")
            return
        call = self._waiting[number] = self._calls.submit(self._carry_out, number, tool, params.get("arguments"))
        call.add_done_callback(lambda _: self._waiting.pop(number, None))

    def _carry_out(self, number: Any, tool: Offered, arguments: Any) -> None:
        try:
            given = checked(tool.definition["inputSchema"], {} if arguments is None else arguments)
            found = tool.call(**given)
        except ToolFailed as error:
            self._reply(number, {"content": [{"type": "text", "text": str(error)}], "isError": True})
        except Exception as error:  # noqa: BLE001 -- the call's edge: its caller is owed an answer whatever happened
            _log.warning("A call failed: %s", type(error).__name__)
            failed = f"The tool failed: {type(error).__name__}."
            self._reply(number, {"content": [{"type": "text", "text": failed}], "isError": True})
        else:
            text = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
            content = [{"type": "text", "text": text}]
            self._reply(number, {"content": content, "structuredContent": found, "isError": False})

    def _reply(self, number: Any, result: Json) -> None:
        self._write({"jsonrpc": "2.0", "id": number, "result": result})

    def _refuse(self, number: Any, code: int, words: str) -> None:
        self._write({"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": words}})

    def _write(self, message: Json) -> None:
        line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        with self._writing:
            self._sink.write(line)
            self._sink.flush()


def checked(schema: Json, arguments: Any) -> dict[str, str]:
    """The arguments that a schema of required texts asks for; others are dropped.

    Raises:
        ToolFailed: one is missing or is no text.
    """
    given = arguments if isinstance(arguments, dict) else {}
    for name in schema["required"]:
        if not isinstance(given.get(name), str):
            raise ToolFailed(f"invalid_arguments: {name} must be a text.")
    return {name: given[name] for name in schema["required"]}
