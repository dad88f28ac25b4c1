"""Carries calls to functions in this process."""

import asyncio
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from importlib import import_module
from typing import Any

import orjson

from remit.adapters.python.definitions import INJECTED, definition, parameters
from remit.clock import Clock
from remit.errors import ToolUnavailable, ToolUnreachable
from remit.gateway.transport import ToolResult
from remit.tools import Tool

_log = logging.getLogger(__name__)

Functions = Mapping[str, Callable[..., object]]


class PythonTransport:
    """The tools of one module; it is imported at the first use."""

    def __init__(
        self,
        module: str,
        functions: Functions | None = None,
        bindings: Mapping[str, object] | None = None,
        *,
        clock: Clock | None = None,
    ) -> None:
        """Name the tools.

        Args:
            module: dotted name of the module whose `TOOLS` are offered, or of the source where `functions` are given.
            functions: the tools themselves, instead of the module's.
            bindings: what every call's `context` holds, such as `{"home": path}`.
            clock: where `context["now"]` (ISO 8601, UTC) comes from; without one there is no `now`.
        """
        self._module = module
        self._functions = functions
        self._bindings = dict(bindings or {})
        self._clock = clock
        self._closed = False

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, idempotency_key: str) -> ToolResult:
        if self._closed:
            raise ToolUnavailable(f"The source {self._module!r} is closed.", rule="not_sent")
        function = self._tools().get(tool.local_name)
        if function is None:
            return ToolResult(content=None, error=f"unknown_tool: {self._module} has no tool {tool.local_name!r}")
        shape = _shape(function)
        given = {**arguments, **self._injected(shape, idempotency_key)}
        if problem := _misfit(shape, arguments, given):
            return ToolResult(content=None, error=f"invalid_arguments: {problem}")
        try:
            async with asyncio.timeout(tool.timeout_seconds):
                answer = await _run(function, shape, given)
        except TimeoutError:
            raise ToolUnreachable(f"{tool.name} did not answer in {tool.timeout_seconds:g} seconds.") from None
        except ToolUnreachable:
            raise
        except Exception as error:  # noqa: BLE001 - the edge to foreign code: whatever it raises is the tool's own error
            return ToolResult(content=None, error=_shown(tool.name, error))
        return answer if isinstance(answer, ToolResult) else _result(answer)

    async def definitions(self) -> Sequence[Mapping[str, Any]]:
        return [definition(name, function) for name, function in self._tools().items()]

    async def close(self) -> None:
        self._closed = True

    def _tools(self) -> Functions:
        if self._functions is None:
            try:
                self._functions = import_module(self._module).TOOLS
            except (ImportError, AttributeError) as error:
                raise ToolUnavailable(
                    f"{self._module!r} is no module with a mapping TOOLS.",
                    rule="not_sent",
                    hint="Mend the module's name, or put its folder on PYTHONPATH.",
                ) from error
        return self._functions

    def _injected(self, shape: "_Shape", idempotency_key: str) -> dict[str, object]:
        injected: dict[str, object] = {}
        if "idempotency_key" in shape.injected:
            injected["idempotency_key"] = idempotency_key
        if "context" in shape.injected:
            injected["context"] = context = dict(self._bindings)
            if self._clock is not None:
                context["now"] = self._clock.now().isoformat()
        return injected


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a call must know of a function, read from it once."""

    signature: inspect.Signature
    #: Which of the injected names it declares.
    injected: frozenset[str]
    #: The names that it takes as keywords, and those without which it cannot be called.
    takes: frozenset[str]
    needs: frozenset[str]
    is_async: bool


@lru_cache(maxsize=1024)
def _shape(function: Callable[..., object]) -> _Shape:
    known = parameters(function)
    named = {
        name: one
        for name, one in known.items()
        if one.kind in {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    }
    return _Shape(
        signature=inspect.signature(function),
        injected=INJECTED & known.keys(),
        takes=frozenset(named),
        # What can be given by position alone, if anything, is never fulfilled here: `bind` says so in words.
        needs=frozenset(name for name, one in known.items() if one.default is one.empty and not _collects(one)),
        is_async=inspect.iscoroutinefunction(function),
    )


def _collects(parameter: inspect.Parameter) -> bool:
    return parameter.kind in {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}


def _misfit(shape: _Shape, arguments: Mapping[str, object], given: Mapping[str, object]) -> str | None:
    """Why the arguments do not fit the signature; names only, never values."""
    if forged := INJECTED & arguments.keys():
        return f"{', '.join(sorted(forged))} cannot be sent by a caller"
    if shape.needs <= given.keys() <= shape.takes:
        return None
    try:
        shape.signature.bind(**given)
    except TypeError as error:
        return str(error)
    return None


async def _run(function: Callable[..., object], shape: _Shape, given: Mapping[str, object]) -> object:
    if shape.is_async:
        return await function(**given)  # type: ignore[misc]  # its shape was looked at: it gives an awaitable
    if getattr(function, "quick", False):
        return function(**given)
    # A thread cannot be stopped: when the caller leaves, the function ends by itself and its answer is dropped.
    return await asyncio.to_thread(function, **given)


def _result(answer: object) -> ToolResult:
    try:
        content = orjson.loads(orjson.dumps(answer, default=_plain))
    except TypeError:
        return ToolResult(content=None, error=f"invalid_answer: {type(answer).__name__} is not JSON")
    if isinstance(content, str):
        content = {"text": content}
    return ToolResult(content=content if isinstance(content, dict) else {"result": content})


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    raise TypeError(type(value).__name__)


def _shown(name: str, error: Exception) -> str:
    """The error as it may be shown: the tool's own words only where it speaks on purpose, that is, with a code."""
    code = getattr(error, "code", None)
    if isinstance(code, str):
        message = str(getattr(error, "message", "") or error)
        return message if message.startswith(f"{code}:") else f"{code}: {message}"
    # The message and the frames of an unexpected exception may hold arguments, so neither is logged.
    _log.error("%s raised %s", name, type(error).__name__)
    return f"unexpected: {type(error).__name__}"
