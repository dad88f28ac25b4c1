"""Carries calls to one database, in threads of its own."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from remit.adapters.sql.definitions import definitions_of
from remit.adapters.sql.running import Running
from remit.clock import Clock
from remit.errors import ToolUnavailable, ToolUnreachable
from remit.gateway.transport import ToolResult
from remit.registry import SqlSource, Survey
from remit.tools import Tool

if TYPE_CHECKING:
    from remit.adapters.sql.session import Session

#: Calls of one source at the same time; others wait for one of them.
_AT_ONCE = 4
#: How long a stopped call may take to end before its outcome counts as unknown.
_STOP_SECONDS = 10.0
#: How often it is told to in that time.
_STOPS = 40


class SqlTransport:
    """The tools of one database; it is connected to at the first use."""

    def __init__(
        self,
        name: str,
        source: SqlSource,
        *,
        folder: str,
        clock: Clock,
        secret: Callable[[], Awaitable[str]] | None = None,
        credential: str = "",
    ) -> None:
        """Describe the source; nothing is connected yet.

        Args:
            name: the source's name.
            source: its declaration.
            folder: the home, from which a file's path goes.
            clock: dates the keys of calls that are kept in the database.
            secret: gives the password, or the whole address where the declaration has none; asked at each call, so
                that a changed one is used from the next call on.
            credential: where that stands, as errors name it.
        """
        self._name = name
        self._source = source
        self._folder = folder
        self._clock = clock
        self._secret = secret
        self._credential = credential
        self._session: Session | None = None
        self._opening = asyncio.Lock()
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix=f"sql-{name}")
        #: Calls whose callers have left.
        self._stopping: set[asyncio.Task[bool]] = set()
        self._closed = False

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, idempotency_key: str) -> ToolResult:
        session = await self._opened()
        running = Running()
        # The database has its own limit of time; what it does not keep to ends here.
        async with self._places:
            if self._closed:
                raise ToolUnavailable(f"The source {self._name!r} is closed.", rule="not_sent")
            work = asyncio.get_running_loop().run_in_executor(
                self._threads, session.call, tool.local_name, dict(arguments), idempotency_key, running
            )
            limit = min(tool.timeout_seconds, self._source.limits.seconds)
            return await self._awaited(work, running, tool, limit)

    async def definitions(self) -> Sequence[Mapping[str, Any]]:
        session = await self._opened()
        await asyncio.get_running_loop().run_in_executor(self._threads, session.check)
        return definitions_of(self._source)

    async def survey(self) -> Survey:
        session = await self._opened()
        return await asyncio.get_running_loop().run_in_executor(self._threads, session.survey)

    async def close(self) -> None:
        self._closed = True
        await asyncio.gather(*self._stopping)
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._session is not None:
            await asyncio.to_thread(self._session.database.close)

    async def _awaited(
        self, work: "asyncio.Future[ToolResult]", running: Running, tool: Tool, seconds: float
    ) -> ToolResult:
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(work)
        except TimeoutError:
            return await self._ended(work, running, tool, seconds)
        except asyncio.CancelledError:
            # The caller is gone; a statement that was not committed yet is taken back.
            work.add_done_callback(_heard)
            stopping = asyncio.create_task(_stopped(work, running))
            self._stopping.add(stopping)
            stopping.add_done_callback(self._stopping.discard)
            raise

    async def _ended(
        self, work: "asyncio.Future[ToolResult]", running: Running, tool: Tool, seconds: float
    ) -> ToolResult:
        """What became of a call that was stopped: done after all, or taken back."""
        if not await _stopped(work, running):
            work.add_done_callback(_heard)
            raise ToolUnreachable(f"{tool.name} did not end within {seconds:g} seconds.")
        answer = work.result()
        if answer.error is not None and seconds == tool.timeout_seconds:
            raise ToolUnavailable(f"{tool.name} was stopped after {seconds:g} seconds; it did nothing.")
        return answer

    async def _opened(self) -> "Session":
        if self._closed:
            raise ToolUnavailable(f"The source {self._name!r} is closed.", rule="not_sent")
        secret = None if self._secret is None else await self._secret()
        async with self._opening:
            held = self._session
            if held is None or held.database.secret != secret:
                self._session = await asyncio.to_thread(
                    _session, self._name, self._source, secret, (self._folder, self._credential), self._clock
                )
                if held is not None:
                    await asyncio.to_thread(held.database.close)
            assert self._session is not None
            return self._session


async def _stopped(work: "asyncio.Future[ToolResult]", running: Running) -> bool:
    """Stop a call, again and again, as a database forgets a stop that came between two statements."""
    for _ in range(_STOPS):
        if work.done():
            return True
        await asyncio.to_thread(running.stop)
        await asyncio.wait([work], timeout=_STOP_SECONDS / _STOPS)
    return work.done()


def _heard(work: "asyncio.Future[ToolResult]") -> None:
    """What a call that nobody waits for any more came to is nobody's."""
    with suppress(BaseException):
        work.result()


def _session(name: str, source: SqlSource, secret: str | None, places: tuple[str, str], clock: Clock) -> "Session":
    # The parser and the database's client take most of a second to import: that happens at the first use.
    from remit.adapters.sql.database import Database  # noqa: PLC0415 - see above
    from remit.adapters.sql.session import Session  # noqa: PLC0415 - see above

    folder, credential = places
    return Session(name, source, Database(source, secret, folder=folder, credential=credential), clock)
