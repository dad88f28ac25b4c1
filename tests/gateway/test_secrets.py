"""What stands in arguments and answers stands nowhere else: not in the record, the file, the log, or an error."""

import json
import logging
import sqlite3

import pytest
from tests.gateway.builders import FakeTransport, a_door, a_payment, a_role, a_tool, open_policy, run

from remit.adapters.sqlite import SqliteStore
from remit.errors import PolicyDenied, RemitError, ToolUnreachable
from remit.gateway import Suspended, ToolResult

MARK = "MARKER-7f3a9c"


def said(value):
    """Everything that an error says, causes included."""
    told = []
    while value is not None:
        told += [str(value), repr(value)]
        value = value.__cause__
    return " ".join(told)


@pytest.fixture
def everything_logged(caplog):
    caplog.set_level(logging.DEBUG)
    return caplog


def test_no_value_leaves_a_trace_in_the_clear(tmp_path, everything_logged):
    path = tmp_path / "remit.sqlite"
    errors = []

    async def silent(**_):
        raise ToolUnreachable("the line is dead")

    async def story():
        store = SqliteStore(path)
        door = await a_door(
            a_tool("erp__read"),
            a_tool("erp__strict", properties={"n": {"type": "integer", "enum": [1]}}),
            a_payment("bank__pay", tier="critical"),
            a_payment("bank__refund"),
            a_tool("bank__move", tier="restricted-write", roles=a_role("account", strict=True)),
            a_tool("erp__fail"),
            a_tool("erp__silent"),
            store=store,
            transport=FakeTransport(
                read=lambda **_: {"name": MARK, MARK: "x"},
                fail=lambda **_: ToolResult({}, error=f"no such customer: {MARK}"),
                silent=silent,
            ),
        )
        calls = [
            ("erp__read", {"customer": MARK}),
            ("erp__strict", {"n": MARK}),
            ("bank__pay", {"amount": "1.00", "payee": MARK}),
            ("bank__refund", {"amount": "1.00", "payee": MARK}),
            ("bank__move", {"account": MARK}),
            ("erp__silent", {"customer": MARK}),
            ("erp__unknown", {"customer": MARK}),
        ]
        for tool, arguments in calls:
            try:
                await door.call(tool, **arguments)
            except (RemitError, Suspended) as no:
                errors.append(no)
        with pytest.raises(RemitError):
            await door.call("erp__fail", customer=MARK)
        entries = await door.entries()
        await store.close()
        return entries

    entries = run(story())

    assert len(errors) == 5
    assert len(entries) >= 7
    assert not [entry for entry in entries if MARK in str(entry)]
    assert not [error for error in errors if MARK in said(error)]
    assert MARK not in everything_logged.text
    for file in tmp_path.iterdir():
        assert MARK.encode() not in file.read_bytes(), file.name
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM blob").fetchone()[0] >= 7
    connection.close()


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        ("allowed_vendors: [Acme]", "role payee"),
        ("allowed_accounts: [DE02]", "role account"),
        ("conditions: [{name: known, when: 'payee != \"Acme\"', effect: deny}]", "Because payee"),
        ("conditions: [{name: typed, when: 'args.payee > 3', effect: deny}]", "cannot be told"),
        ("spending_limit: {amount: 1, currency: USD}", "role amount"),
    ],
    ids=["vendors", "accounts", "condition", "condition that fails", "amount"],
)
def test_a_refusal_of_policy_names_the_rule_and_the_role_and_no_value(rule, named):
    async def story():
        tool = a_payment("bank__pay", roles=("amount", "payee", "account"))
        door = await a_door(tool, policies=[open_policy(rule)])
        amount = MARK if "amount" in named else "2.00"
        with pytest.raises(PolicyDenied) as refused:
            await door.call("bank__pay", amount=amount, payee=MARK, account=MARK)

        assert named in refused.value.detail
        assert MARK not in said(refused.value) + json.dumps(refused.value.to_json())

    run(story())
