"""What every inbox must hold to; a subclass for each technology says how its stream is made and written to."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from remit.errors import EgressRefused, ToolUnreachable
from remit.triggers import Inbox, Message

BOUND_SECONDS = 20.0


def run(coroutine: Any) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, BOUND_SECONDS))


async def taken(inbox: Inbox, count: int) -> list[Message]:
    """So many messages, however they are handed over."""
    found: list[Message] = []
    while len(found) < count:
        found += await inbox.take(count - len(found), 0.2)
    return found


class InboxContract(ABC):
    """Delivered at least once: again and again until it is answered."""

    @abstractmethod
    def told(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run the story on a stream of its own, and take the stream away afterwards."""

    @abstractmethod
    async def publish(self, *bodies: bytes) -> None: ...

    @abstractmethod
    async def opened(self, **changes: Any) -> Inbox: ...

    def test_messages_come_in_order_and_those_that_were_answered_come_no_more(self) -> None:
        async def work() -> None:
            inbox = await self.opened()
            await self.publish(b'"a"', b'"b"', b'"c"')
            messages = await taken(inbox, 3)
            assert [message.body for message in messages] == [b'"a"', b'"b"', b'"c"']
            assert [message.tries for message in messages] == [1, 1, 1]
            assert len({message.id for message in messages}) == 3
            for message in messages:
                await message.done()
            await inbox.close()

            again = await self.opened()
            assert list(await again.take(10, 0.2)) == []
            await again.close()

        self.told(work)

    def test_what_was_not_answered_comes_again_under_its_id_to_whoever_reads_next(self) -> None:
        async def work() -> None:
            inbox = await self.opened()
            await self.publish(b'"a"', b'"b"')
            first, second = await taken(inbox, 2)
            await second.done()
            await inbox.close()  # as a crash would, before the answer

            again = await self.opened()
            (message,) = await taken(again, 1)
            assert (message.id, message.body, message.tries) == (first.id, b'"a"', 2)
            await message.done()
            await again.close()

        self.told(work)

    def test_what_is_put_off_comes_again_later_and_is_counted(self) -> None:
        async def work() -> None:
            inbox = await self.opened()
            await self.publish(b'"a"')
            for tries in (1, 2, 3):
                (message,) = await taken(inbox, 1)
                assert message.tries == tries
                await message.later(0.1)
            (message,) = await taken(inbox, 1)
            await message.done()
            await inbox.close()

        self.told(work)

    @pytest.mark.parametrize("from_oldest", [True, False])
    def test_a_reader_begins_at_the_oldest_or_at_what_comes_from_then_on(self, from_oldest: bool) -> None:
        async def work() -> None:
            await self.publish(b'"before"')
            inbox = await self.opened(from_oldest=from_oldest)
            await self.publish(b'"after"')
            wanted = [b'"before"', b'"after"'] if from_oldest else [b'"after"']
            messages = await taken(inbox, len(wanted))
            assert [message.body for message in messages] == wanted
            for message in messages:
                await message.done()
            await inbox.close()

        self.told(work)

    def test_a_server_that_is_not_there_is_told_in_words_of_the_catalogue(self) -> None:
        async def work() -> None:
            with pytest.raises(ToolUnreachable):
                await self.opened(port=1)

        self.told(work)

    def test_an_address_that_was_not_declared_is_not_connected_to(self) -> None:
        async def work() -> None:
            with pytest.raises(EgressRefused) as refused:
                await self.opened(undeclared=True)
            assert refused.value.rule == "egress_loopback"

        self.told(work)
