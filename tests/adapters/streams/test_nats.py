"""The inbox on the NATS server of this machine."""

from dataclasses import replace

import pytest
from tests.adapters.streams.places import a_place, nats_gone, nats_made, nats_published
from tests.contracts.inbox import InboxContract, run, taken

from remit.adapters.nats.inbox import open_nats
from remit.errors import ToolUnreachable


class TestNats(InboxContract):
    def told(self, work):
        async def whole():
            self.place = a_place("nats")
            await nats_made(self.place)
            try:
                await work()
            finally:
                await nats_gone(self.place)

        run(whole())

    async def publish(self, *bodies):
        await nats_published(self.place, *bodies)

    async def opened(self, *, port=None, undeclared=False, from_oldest=False):
        changed = a_place("nats", port=port, undeclared=undeclared, from_oldest=from_oldest, name=self.place.stream)
        return await open_nats(changed, "", ack_seconds=0.5)

    def test_a_publishers_own_id_is_the_events(self):
        async def work():
            inbox = await self.opened()
            await nats_published(self.place, b"1", headers={"Nats-Msg-Id": "order-1", "X-Kind": "order"})
            (message,) = await taken(inbox, 1)
            assert (message.id, message.headers["x-kind"]) == ("order-1", "order")
            assert message.subject == f"{self.place.stream}.new"
            await message.done()
            await inbox.close()

        self.told(work)

    def test_a_stream_that_was_made_anew_gives_other_ids(self):
        async def work():
            ids = []
            for _ in range(2):
                inbox = await self.opened()
                await self.publish(b"1")
                (message,) = await taken(inbox, 1)
                ids.append(message.id)
                await inbox.close()
                await nats_gone(self.place)
                await nats_made(self.place)
            assert ids[0] != ids[1]

        self.told(work)

    def test_only_the_subject_that_is_declared_is_read(self):
        async def work():
            narrow = replace(self.place, subject=f"{self.place.stream}.other")
            inbox = await open_nats(narrow, "")
            await self.publish(b"1")
            assert list(await inbox.take(1, 0.2)) == []
            await inbox.close()

            with pytest.raises(ToolUnreachable, match="reads the subject"):
                await open_nats(self.place, "")

        self.told(work)

    def test_a_stream_that_is_not_there_is_told(self):
        async def work():
            with pytest.raises(ToolUnreachable, match="stream not found"):
                await open_nats(replace(self.place, stream="none-of-this-name"), "")

        self.told(work)
