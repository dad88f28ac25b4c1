"""What every transport must hold to; a subclass for each adapter says what its source offers."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from remit.errors import ToolUnreachable
from remit.gateway.transport import ToolResult, Transport
from remit.tools import Tool

_BOUND_SECONDS = 60.0
_CONCURRENT = 16


@dataclass(frozen=True)
class Example:
    """A call and what must come of it."""

    tool: Tool
    arguments: Mapping[str, Any]
    #: Part of the content of a success.
    content: Mapping[str, Any] | None = None
    #: Part of the text of the tool's own error.
    error: str = ""


def a_tool(name: str, *, timeout_seconds: float = 30.0) -> Tool:
    return Tool(name, name.split("__", maxsplit=1)[0], "", {"type": "object"}, timeout_seconds=timeout_seconds)


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run to the end on a loop of its own, and never wait for ever."""
    return asyncio.run(asyncio.wait_for(coroutine, _BOUND_SECONDS))


async def call(transport: Transport, example: Example, key: str = "key-1") -> ToolResult:
    return await transport.call(example.tool, example.arguments, idempotency_key=key)


class TransportContract(ABC):
    """Subclass it, and name the subclass `Test...`."""

    @abstractmethod
    def transport(self) -> Transport:
        """A fresh transport to the source."""

    @abstractmethod
    def unreachable(self) -> Transport:
        """A transport to a source that cannot be reached."""

    @abstractmethod
    def success(self) -> Example: ...

    @abstractmethod
    def failure(self) -> Example:
        """A call to which the tool itself says no."""

    @abstractmethod
    def slow(self) -> Example:
        """A call that takes longer than its tool's `timeout_seconds`."""

    def test_a_call_that_succeeds_has_json_content_and_no_error(self):
        result = run(self._once(self.success()))

        assert result.error is None
        assert isinstance(result.content, dict)
        assert orjson.loads(orjson.dumps(result.content)) == result.content
        assert (self.success().content or {}).items() <= result.content.items()

    def test_the_tools_own_no_is_a_result_and_no_exception(self):
        result = run(self._once(self.failure()))

        assert result.error
        assert self.failure().error in result.error

    def test_calls_at_the_same_time_each_get_their_answer(self):
        async def many() -> list[ToolResult]:
            transport = self.transport()
            try:
                return await asyncio.gather(*(call(transport, self.success(), f"key-{n}") for n in range(_CONCURRENT)))
            finally:
                await transport.close()

        results = run(many())

        assert len(results) == _CONCURRENT
        assert all(result.error is None for result in results)

    def test_a_source_that_cannot_be_reached_is_unreachable(self):
        async def reach() -> None:
            transport = self.unreachable()
            try:
                with pytest.raises(ToolUnreachable):
                    await call(transport, self.success())
            finally:
                await transport.close()

        run(reach())

    def test_a_call_that_takes_too_long_is_unreachable(self):
        with pytest.raises(ToolUnreachable):
            run(self._once(self.slow()))

    def test_a_caller_who_leaves_does_not_disturb_the_next(self):
        async def leave_and_return() -> ToolResult:
            transport = self.transport()
            try:
                await call(transport, self.success())
                leaving = asyncio.create_task(call(transport, self.slow()))
                await asyncio.sleep(0)
                leaving.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await leaving
                return await call(transport, self.success())
            finally:
                await transport.close()

        assert run(leave_and_return()).error is None

    def test_definitions_name_describe_and_give_the_schema(self):
        async def defined() -> Any:
            transport = self.transport()
            try:
                return await transport.definitions()
            finally:
                await transport.close()

        definitions = run(defined())

        assert self.success().tool.local_name in {definition["name"] for definition in definitions}
        for definition in definitions:
            assert isinstance(definition["description"], str)
            assert definition["inputSchema"]["type"] == "object"

    def test_closing_twice_is_closing_once(self):
        async def close_twice() -> None:
            transport = self.transport()
            await call(transport, self.success())
            await transport.close()
            await transport.close()

        run(close_twice())

    def test_closing_what_was_never_used_is_allowed(self):
        run(self.transport().close())

    def test_a_closed_transport_is_unreachable(self):
        async def call_after_close() -> None:
            transport = self.transport()
            await transport.close()
            with pytest.raises(ToolUnreachable):
                await call(transport, self.success())

        run(call_after_close())

    async def _once(self, example: Example) -> ToolResult:
        transport = self.transport()
        try:
            return await call(transport, example)
        finally:
            await transport.close()
