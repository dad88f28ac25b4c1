"""A service behind the door that fails in every way: one clear error, a rest for it, and nobody else is slowed."""

import asyncio
from contextlib import asynccontextmanager

import orjson
import pytest
from tests.adapters.egress.wire import answer, wire
from tests.adapters.openapi.test_service import a_transport
from tests.gateway.builders import FakeTransport, a_door, a_tool, run

from remit.errors import RemitError
from remit.gateway.limits import FAILURES_MAX, REST_SECONDS
from remit.tools import Tier, Tool

_ITEM = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
_DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "shop", "version": "1"},
    "paths": {
        "/items/{id}": {
            "get": {
                "operationId": "item",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "responses": {"200": {"description": "", "content": {"application/json": {"schema": _ITEM}}}},
            }
        }
    },
}


def told(value, status=200):
    return answer(status, orjson.dumps(value), content_type="application/json")


async def never(_asked):
    await asyncio.Event().wait()


def half(asked):
    asked.writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{")


#: What the service does with a request, the error's code at the door, and whether the source is left alone after.
FAULTS = {
    "hangs up": (lambda _asked: None, "tool_unreachable", True),
    "never answers": (never, "tool_unreachable", True),
    "garbage": (lambda _asked: b"\x00\xffnonsense\r\n\r\n", "tool_unreachable", True),
    "half an answer": (half, "tool_unreachable", True),
    "no JSON": (
        lambda _asked: answer(200, b"<html>maintenance", content_type="application/json"),
        "tool_unreachable",
        True,
    ),
    "eleven megabytes": (lambda _asked: told({"id": "x" * 11_000_000}), "tool_failed", False),
    "another schema": (lambda _asked: told({"id": {"is": "an object now"}}), "tool_failed", False),
    "an error of its own": (lambda _asked: told({"detail": "no such item"}, 404), "tool_failed", False),
    "broken inside": (lambda _asked: told({"trace": "secret-stack"}, 500), "tool_unreachable", True),
    "busy": (lambda _asked: told({}, 503), "tool_unavailable", True),
    "expired credentials": (lambda _asked: told({}, 401), "credential_refused", True),
}


class Shop:
    """A door to a real service that can be broken and mended, and to another source beside it."""

    def __init__(self, service, door):
        self.service, self.door = service, door
        self.fault = None

    async def ask(self, number):
        """The code and rule of the error, or the answer."""
        try:
            return await self.door.call("shop__item", number, id=str(number))
        except RemitError as error:
            return error

    @property
    def asked(self):
        return len([one for one in self.service.asked if one.path.startswith("/items/")])


@asynccontextmanager
async def a_shop(*, seconds=10.0):
    shop = None

    def serve(asked):
        if asked.path == "/openapi.json":
            return told(_DOCUMENT)
        if shop.fault is not None:
            return shop.fault(asked)
        return told({"id": asked.path.rsplit("/")[-1]})

    async with wire(serve) as service:
        transport = a_transport(service.url, token="sesame-secret")
        (offered,) = await transport.definitions()
        # A description of REST promises no schema of answers to the door; a source that speaks MCP does.
        extra = {"outputSchema": _ITEM}
        item = Tool("shop__item", "shop", "", offered["inputSchema"], Tier.READ, timeout_seconds=seconds, extra=extra)
        other = FakeTransport()
        door = await a_door(item, a_tool("crm__read"), transport=other)
        door.door.transports = {"shop": transport, "crm": other}
        shop = Shop(service, door)
        try:
            yield shop
        finally:
            await transport.close()


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_clear_error_then_a_rest_and_then_all_is_well_again(name):
    behaves, code, rests = FAULTS[name]

    async def story():
        async with a_shop(seconds=1.0 if behaves is never else 10.0) as shop:
            assert await shop.ask(0) == {"id": "0"}
            shop.fault = behaves
            errors = await asyncio.gather(*(shop.ask(number) for number in range(1, FAILURES_MAX + 1)))
            assert {getattr(error, "code", error) for error in errors} == {code}
            assert not any(word in str(error.to_json()) for error in errors for word in ("sesame", "stack", "xxxx"))

            before = shop.asked
            after = await shop.ask(99)
            assert (getattr(after, "rule", "") == "breaker") is rests
            assert (shop.asked == before) is rests
            assert await shop.door.call("crm__read") == {"ok": True}

            shop.fault = None
            shop.door.clock.move(seconds=REST_SECONDS + 1)
            assert await shop.ask(100) == {"id": "100"}
            assert await shop.ask(101) == {"id": "101"}

    run(story())


def test_while_one_source_hangs_another_is_answered():
    async def story():
        async with a_shop() as shop:
            await shop.ask(0)
            shop.fault = never
            hanging = [asyncio.create_task(shop.ask(number)) for number in range(1, 4)]
            while shop.asked < 2:
                await asyncio.sleep(0)
            for number in range(20):
                await shop.door.call("crm__read", number, n=number)
            assert not any(task.done() for task in hanging)
            for task in hanging:
                task.cancel()
            await asyncio.gather(*hanging, return_exceptions=True)

    run(story())
