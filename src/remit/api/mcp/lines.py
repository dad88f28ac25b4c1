"""The caller's end of a call: what a source says and asks on the way to its answer."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from remit.api.mcp.wire import METHOD_NOT_FOUND, notification
from remit.api.names import unguessable

PROGRESS, LOG = "notifications/progress", "notifications/message"
#: What a caller must be able to do before it is asked.
_NEEDS = {"sampling/createMessage": "sampling", "elicitation/create": "elicitation", "roots/list": "roots"}
ASKABLE = frozenset(_NEEDS.values())
_QUESTIONS_MAX = 64


class Ear(Protocol):
    """Where something goes that belongs to no call, or whose call was answered."""

    def hear(self, message: Mapping[str, Any]) -> bool:
        """Take a message; False where nobody listens."""
        ...


class Questions:
    """Questions to one caller that wait for its answer."""

    def __init__(self) -> None:
        self._open: dict[str, asyncio.Future[Mapping[str, Any]]] = {}

    def open(self) -> tuple[str, asyncio.Future[Mapping[str, Any]]]:
        """A new question's name and its answer to come."""
        name = unguessable()
        answer: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._open[name] = answer
        answer.add_done_callback(lambda _: self._open.pop(name, None))
        return name, answer

    def answered(self, name: Any, outcome: Mapping[str, Any]) -> None:
        """Take an answer; one to no open question is dropped."""
        answer = self._open.get(name) if isinstance(name, str) else None
        if answer is not None and not answer.done():
            answer.set_result(outcome)

    @property
    def full(self) -> bool:
        """Whether no further question is taken."""
        return len(self._open) >= _QUESTIONS_MAX

    def close(self) -> None:
        """Nobody will answer any more."""
        for answer in list(self._open.values()):
            if not answer.done():
                answer.set_result(_refused("The caller has left."))


class CallLine:
    """One request's line. It carries progress and logs at once, and questions where the caller can answer."""

    def __init__(
        self,
        owner: str,
        capabilities: Mapping[str, Any],
        *,
        token: Any = None,
        emit: Callable[[Mapping[str, Any]], None],
        ear: Ear | None = None,
        questions: Questions,
    ) -> None:
        self._owner = owner
        self._capabilities = capabilities
        self._token = token
        self._ear = ear
        self._questions = questions
        self._leaving: list[Callable[[], None]] = []
        self._gone = False
        #: Takes a message for the stream of this very request; None once it was answered.
        self.emit: Callable[[Mapping[str, Any]], None] | None = emit
        #: Takes a question in place of the stream, where the protocol carries none to the caller.
        self.pause: Callable[[str, Mapping[str, Any]], None] | None = None

    @property
    def owner(self) -> str:
        return self._owner

    @property
    def capabilities(self) -> Mapping[str, Any]:
        return self._capabilities

    def when_gone(self, tell: Callable[[], None]) -> None:
        if self._gone:
            tell()
        else:
            self._leaving.append(tell)

    def leave(self) -> None:
        """The caller takes the request back."""
        self._gone = True
        leaving, self._leaving = self._leaving, []
        for tell in leaving:
            tell()

    async def told(self, method: str, params: Mapping[str, Any]) -> None:
        if method == PROGRESS:
            if self._token is None:
                return
            params = {**params, "progressToken": self._token}
        self._send(notification(method, params))

    async def asked(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        needed = _NEEDS.get(method)
        if needed is None or needed not in self._capabilities or self._questions.full:
            return _refused(f"The caller does not answer {method[:64]}.")
        name, answer = self._questions.open()
        message = {"jsonrpc": "2.0", "id": name, "method": method, "params": params}
        if self.pause is not None:
            self.pause(name, {"method": method, "params": params})
        elif not self._send(message):
            answer.cancel()
            return _refused("The caller does not listen.")
        try:
            return await answer
        finally:
            answer.cancel()

    def _send(self, message: Mapping[str, Any]) -> bool:
        if self.emit is not None:
            self.emit(message)
            return True
        return self._ear is not None and self._ear.hear(message)


def _refused(message: str) -> Mapping[str, Any]:
    return {"error": {"code": METHOD_NOT_FOUND, "message": message}}
