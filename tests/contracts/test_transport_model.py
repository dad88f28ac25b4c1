import pytest
from tests.adapters.pydantic_ai.stub import stub_server
from tests.contracts.transport import Example, TransportContract, a_tool

from remit.adapters.pydantic_ai import ModelTransport

SCRIPT = {
    "conversations": [
        {"match": {"last_user": "refuse"}, "turns": [{"status": 400}]},
        {"match": {"last_user": "sleep"}, "turns": [{"hang": 20}]},
        {"turns": [{"content": "hello"}]},
    ]
}


class TestModelTransport(TransportContract):
    @pytest.fixture(autouse=True)
    def _stub(self):
        with stub_server(SCRIPT) as stub:
            self.base_url = stub.base_url
            yield

    def transport(self):
        return ModelTransport(self.base_url)

    def unreachable(self):
        return ModelTransport("http://127.0.0.1:9/v1#none")

    def success(self):
        return Example(a_tool("model__chat"), {"prompt": "say hello"}, content={"text": "hello"})

    def failure(self):
        return Example(a_tool("model__chat"), {"prompt": "refuse"}, error="http_400")

    def slow(self):
        return Example(a_tool("model__chat", timeout_seconds=0.3), {"prompt": "sleep"})
