"""A caller who does not answer a server's question does not keep the call from its end."""

import asyncio
import sys
from pathlib import Path

import pytest
from tests.adapters.mcp import full_server
from tests.adapters.mcp.test_mcp_http import a_transport
from tests.adapters.served import served

from remit.adapters.mcp import McpStdioTransport
from remit.adapters.mcp.rounds import answered
from remit.tools import Tool

SERVER = Path(full_server.__file__)


class Silent:
    """A caller who can be asked, and never answers."""

    owner = "anna"

    def __init__(self):
        self.capabilities = {"elicitation": {}, "sampling": {}}
        self.asked_for, self.gave_up = [], []

    def when_gone(self, tell):
        pass

    async def told(self, method, params):
        pass

    async def asked(self, method, _params):
        self.asked_for.append(method)
        try:
            await asyncio.Event().wait()
        finally:
            self.gave_up.append(method)


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))


async def called(transport, name, arguments):
    line = Silent()
    tool = Tool(f"f__{name}", "f", "", {}, timeout_seconds=3.0)
    try:
        return line, await transport.call_on(line, tool, arguments, idempotency_key="k")
    finally:
        await transport.close()


@pytest.fixture(params=["stdio", "http"])
def transport(request):
    if request.param == "stdio":
        yield lambda: McpStdioTransport([sys.executable, str(SERVER)], bundled=True, readable=[SERVER.parent])
        return
    with served(full_server.server.streamable_http_app()) as server:
        yield lambda: a_transport(f"{server.url}/mcp")


@pytest.mark.parametrize(
    ("name", "arguments", "method", "told"),
    [
        ("test_elicitation", {"message": "who?"}, "elicitation/create", "cancel"),
        ("test_sampling", {"prompt": "who?"}, "sampling/createMessage", "did not answer in"),
    ],
)
def test_a_question_that_nobody_answers_ends_before_the_call_does(transport, name, arguments, method, told):
    line, answer = run(called(transport(), name, arguments))

    assert line.asked_for == line.gave_up == [method]
    assert told in str(answer.error or answer.content)


def test_input_that_is_required_and_never_given_is_sent_as_cancelled():
    sent = []

    async def send(params):
        sent.append(params)
        if "inputResponses" in params:
            return {"result": {"content": []}}
        asks = {"who": {"method": "elicitation/create", "params": {}}}
        return {"result": {"resultType": "input_required", "inputRequests": asks, "requestState": "s"}}

    outcome = run(answered(send, {"name": "t"}, Silent(), seconds=0.05))

    assert outcome == {"result": {"content": []}}
    assert sent[1] == {"name": "t", "inputResponses": {"who": {"action": "cancel"}}, "requestState": "s"}
