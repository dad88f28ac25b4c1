import pytest
from tests.adapters.soap.orders import ORDER, Orders, a_transport, serving
from tests.contracts.transport import Example, TransportContract, a_tool


class TestSoapTransport(TransportContract):
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _service(cls):
        with serving(Orders()) as cls.url:
            yield

    def transport(self):
        return a_transport(f"{self.url}/orders?wsdl")

    def unreachable(self):
        return a_transport("http://127.0.0.1:9/orders?wsdl")

    def success(self):
        return Example(a_tool("orders__PlaceOrder"), ORDER, content={"number": 4711, "total": "2.50"})

    def failure(self):
        return Example(a_tool("orders__PlaceOrder"), ORDER | {"vendor": "unknown"}, error="Client: no such vendor")

    def slow(self):
        return Example(a_tool("orders__PlaceOrder", timeout_seconds=0.3), ORDER | {"vendor": "slow"})
