import pytest
from tests.adapters.a2a.agent import a_transport, serving
from tests.contracts.transport import Example, TransportContract, a_tool


class TestA2aTransport(TransportContract):
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _agent(cls):
        with serving() as cls.card:
            yield

    def transport(self):
        return a_transport(self.card)

    def unreachable(self):
        return a_transport("http://127.0.0.1:9/.well-known/agent-card.json")

    def success(self):
        return Example(a_tool("clerk__orders.find"), {"text": "find"}, content={"state": "completed"})

    def failure(self):
        return Example(a_tool("clerk__orders.find"), {"text": "fail"}, error="failed: the printer is out of paper")

    def slow(self):
        return Example(a_tool("clerk__orders.find", timeout_seconds=0.4), {"text": "slow"})
