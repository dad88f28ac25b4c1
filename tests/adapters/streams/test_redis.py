"""The inbox on the Redis server of this machine."""

from redis.asyncio import Redis
from tests.adapters.streams.places import a_place, redis_gone, redis_published
from tests.contracts.inbox import InboxContract, run, taken

from remit.adapters.redis.inbox import open_redis


class TestRedis(InboxContract):
    def told(self, work):
        async def whole():
            self.place = a_place("redis")
            try:
                await work()
            finally:
                await redis_gone(self.place)

        run(whole())

    async def publish(self, *bodies):
        await redis_published(self.place, *bodies)

    async def opened(self, *, port=None, undeclared=False, from_oldest=False):
        changed = a_place("redis", port=port, undeclared=undeclared, from_oldest=from_oldest, name=self.place.stream)
        return await open_redis(changed, "")

    def test_an_entry_without_the_field_is_an_event_of_its_fields(self):
        async def work():
            inbox = await self.opened()
            async with Redis.from_url(self.place.url) as client:
                await client.xadd(self.place.stream, {"order": "17", "kind": "new"})
            (message,) = await taken(inbox, 1)
            assert message.body == b'{"order":"17","kind":"new"}'
            await message.done()
            await inbox.close()

        self.told(work)

    def test_an_entry_that_was_taken_out_of_the_stream_is_let_go(self):
        async def work():
            inbox = await self.opened()
            await self.publish(b"1")
            (message,) = await taken(inbox, 1)
            await inbox.close()
            async with Redis.from_url(self.place.url) as client:
                await client.xdel(self.place.stream, message.id)

            again = await self.opened()
            assert list(await again.take(1, 0.1)) == []
            async with Redis.from_url(self.place.url) as client:
                assert (await client.xpending(self.place.stream, self.place.reader))["pending"] == 0
            await again.close()

        self.told(work)
