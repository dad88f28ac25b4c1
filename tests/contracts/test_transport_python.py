import asyncio

from tests.contracts.transport import Example, TransportContract, a_tool

from remit.adapters.python import PythonTransport


class RefusedError(Exception):
    code = "refused"


def echo(text):
    return {"text": text}


def refuse():
    raise RefusedError("not today")


async def sleep(seconds):
    await asyncio.sleep(seconds)


class TestPythonTransport(TransportContract):
    def transport(self):
        return PythonTransport("test", {"echo": echo, "refuse": refuse, "sleep": sleep})

    def unreachable(self):
        return PythonTransport("remit.no_such_module")

    def success(self):
        return Example(a_tool("test__echo"), {"text": "a"}, content={"text": "a"})

    def failure(self):
        return Example(a_tool("test__refuse"), {}, error="refused: not today")

    def slow(self):
        return Example(a_tool("test__sleep", timeout_seconds=0.05), {"seconds": 20})
