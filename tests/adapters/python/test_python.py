import asyncio
import threading
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from remit.adapters.python import PythonTransport
from remit.errors import ToolUnreachable
from remit.gateway.transport import ToolResult
from remit.tools import Tool


class NoonClock:
    def now(self):
        return datetime(2026, 5, 4, 12, tzinfo=UTC)

    async def sleep(self, seconds):
        raise AssertionError(f"nothing here waits, and this would for {seconds} s")


def call(function, arguments=None, *, bindings=None, clock=None, key="key-1"):
    transport = PythonTransport("test", {"it": function}, bindings, clock=clock)
    tool = Tool("test__it", "test", "", {})
    return asyncio.run(transport.call(tool, arguments or {}, idempotency_key=key))


def test_a_function_gets_the_key_and_the_context_where_it_asks_for_them():
    def pay(amount, *, idempotency_key, context):
        return {"amount": amount, "key": idempotency_key, "context": context}

    content = call(pay, {"amount": 5}, bindings={"home": "/a"}, clock=NoonClock(), key="k").content

    assert content == {"amount": 5, "key": "k", "context": {"home": "/a", "now": "2026-05-04T12:00:00+00:00"}}


def test_a_caller_cannot_forge_the_key():
    def pay(*, idempotency_key):
        return {"key": idempotency_key}

    assert (
        call(pay, {"idempotency_key": "forged"}).error
        == "invalid_arguments: idempotency_key cannot be sent by a caller"
    )


def test_a_plain_function_runs_in_a_thread_and_a_quick_one_on_the_loop():
    def where():
        return {"thread": threading.current_thread() is not threading.main_thread()}

    def quick():
        return where()

    quick.quick = True

    assert call(where).content == {"thread": True}
    assert call(quick).content == {"thread": False}


def test_arguments_that_do_not_fit_are_named_without_their_values():
    result = call(lambda *, amount: amount, {"secret_value": "s3cret"})

    assert result.error is not None
    assert result.error.startswith("invalid_arguments:")
    assert "s3cret" not in result.error


def test_an_unexpected_exception_shows_and_logs_its_type_only(caplog):
    def broken(account):
        raise RuntimeError(f"cannot reach {account}")

    result = call(broken, {"account": "DE89"})

    assert result.error == "unexpected: RuntimeError"
    assert "RuntimeError" in caplog.text
    assert "DE89" not in caplog.text


def test_an_exception_with_a_code_speaks_for_itself_once():
    class ErpError(Exception):
        code = "vendor_unknown"

    def refuse(text):
        raise ErpError(text)

    assert call(refuse, {"text": "no vendor 7"}).error == "vendor_unknown: no vendor 7"
    assert call(refuse, {"text": "vendor_unknown: no vendor 7"}).error == "vendor_unknown: no vendor 7"


def test_a_function_may_say_that_its_system_is_unreachable():
    def broken():
        raise ToolUnreachable("The ERP is down.")

    with pytest.raises(ToolUnreachable, match="ERP is down"):
        call(broken)


def test_answers_become_json():
    @dataclass
    class Paid:
        amount: Decimal
        on: date

    assert call(lambda: Paid(Decimal("1.20"), date(2026, 5, 4))).content == {"amount": "1.20", "on": "2026-05-04"}
    assert call(lambda: "done").content == {"text": "done"}
    assert call(lambda: [1, 2]).content == {"result": [1, 2]}
    assert call(object).error == "invalid_answer: object is not JSON"
    assert call(lambda: ToolResult({"a": 1})).content == {"a": 1}


def test_the_schema_is_read_from_the_signature_without_what_is_injected():
    def pay(vendor: str, amount: int = 3, *, idempotency_key: str, context: dict[str, str]) -> None:
        """Pay a vendor."""

    transport = PythonTransport("test", {"pay": pay})

    [definition] = asyncio.run(transport.definitions())

    assert definition["description"] == "Pay a vendor."
    assert definition["inputSchema"]["required"] == ["vendor"]
    assert definition["inputSchema"]["additionalProperties"] is False
    assert set(definition["inputSchema"]["properties"]) == {"vendor", "amount"}


def test_a_schema_on_the_function_goes_first():
    def pay(**arguments):
        return arguments

    pay.input_schema = {"type": "object", "properties": {"a": {"type": "integer"}}}

    [definition] = asyncio.run(PythonTransport("test", {"pay": pay}).definitions())

    assert definition["inputSchema"] == pay.input_schema
