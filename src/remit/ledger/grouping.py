"""What every durable store shares: waiting commits become one group, and small bodies are kept as they were written."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from remit.errors import Fault
from remit.ledger.entry import Entry
from remit.ledger.journal import Commit, PutBlob
from remit.ledger.writer import Result

#: How many bodies are kept in memory after they were written, and the largest of them: 4 MB in all at the most.
_RECENT_MAX, _RECENT_BYTES_MAX = 2_000, 2_000


class Grouping:
    """Commits that come while a group is being written make up the next one; groups are written one after the other."""

    def __init__(self, thread: Executor, write_group: Callable[[Sequence[Commit]], list[Result]]) -> None:
        self._thread = thread
        #: Writes a group as one transaction, in `thread`.
        self._write_group = write_group
        self._waiting: list[tuple[Commit, asyncio.Future[tuple[Entry, ...]]]] = []
        self._pump: asyncio.Task[None] | None = None

    async def commit(self, commit: Commit) -> tuple[Entry, ...]:
        """Join the next group; return when it is durable."""
        done: asyncio.Future[tuple[Entry, ...]] = asyncio.get_running_loop().create_future()
        self._waiting.append((commit, done))
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._write_groups())
        # A caller that is cancelled cancels this future alone: the commit may be on its way to the disk already.
        return await done

    async def finish(self) -> None:
        """Return when everything that was accepted has its answer."""
        if self._pump is not None:
            await asyncio.gather(self._pump, return_exceptions=True)

    async def _write_groups(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            results = await self._results([commit for commit, _ in group])
            for (_, done), result in zip(group, results, strict=True):
                if done.cancelled():
                    continue
                if isinstance(result, Exception):
                    done.set_exception(result)
                    done.exception()  # a caller that went away must not leave a warning behind
                else:
                    done.set_result(result)

    async def _results(self, commits: list[Commit]) -> Sequence[tuple[Entry, ...] | Exception]:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, self._write_group, commits)
        except Fault as error:
            return [error] * len(commits)
        except Exception as error:  # noqa: BLE001 -- one caller's mistake, such as a value that is no JSON: nobody may wait for ever
            if len(commits) == 1:
                return [error]
            # Whose mistake it is shows when each is written alone; the others are as good as before.
            return [(await self._results([commit]))[0] for commit in commits]


class RecentBodies:
    """Small bodies as they were just written, still encrypted: a plan's inputs are mostly used soon after.

    A body is named by its content: of two sealings either opens to the same, so what is kept here cannot become old.
    Filled by the writer's thread.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], bytes] = {}
        self.get = self._kept.get

    def keep(self, blobs: Sequence[PutBlob]) -> None:
        """Keep the small ones of `blobs`, and let the oldest go."""
        kept = self._kept
        for blob in blobs:
            if len(blob.data) <= _RECENT_BYTES_MAX:
                kept.setdefault((blob.space, blob.cid), blob.data)
        while len(kept) > _RECENT_MAX:
            del kept[next(iter(kept))]
