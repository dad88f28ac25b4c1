import asyncio
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException
from tests.adapters.served import served
from tests.contracts.transport import Example, TransportContract

from remit.adapters.egress import EgressTransport
from remit.adapters.openapi import OpenApiTransport
from remit.adapters.openapi.document import Document
from remit.adapters.openapi.operations import operations
from remit.registry.reach import NetworkDocument, network
from remit.tools import Tool

SERVICE = FastAPI()


@SERVICE.get("/echo", operation_id="echo")
def echo(text: str) -> dict[str, Any]:
    return {"text": text}


@SERVICE.get("/refuse", operation_id="refuse")
def refuse() -> None:
    raise HTTPException(409, "not today")


@SERVICE.get("/sleep", operation_id="sleep")
async def sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)


DOCUMENT = SERVICE.openapi()
OPERATIONS = operations(Document(DOCUMENT))


def a_tool(name, timeout_seconds=30.0):
    return Tool(f"shop__{name}", "shop", "", OPERATIONS[name].schema, timeout_seconds=timeout_seconds)


class TestOpenApiTransport(TransportContract):
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def server(cls):
        with served(SERVICE) as server:
            cls.url = server.url
            yield

    def transport(self):
        return self._to(self.url)

    def unreachable(self):
        return self._to("http://127.0.0.1:1")

    def _to(self, url):
        return OpenApiTransport(DOCUMENT, EgressTransport(network(NetworkDocument(allow=("127.0.0.1",)))), base_url=url)

    def success(self):
        return Example(a_tool("echo"), {"text": "a"}, content={"text": "a"})

    def failure(self):
        return Example(a_tool("refuse"), {}, error="not today")

    def slow(self):
        return Example(a_tool("sleep", timeout_seconds=0.05), {"seconds": 20})
