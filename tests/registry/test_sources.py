import pytest
from tests.registry.builders import applied, lines, planned, source_text

from remit.errors import InvalidResource
from remit.quantities import Money
from remit.registry import Registry, accept_tools, compare_pins, not_offered, tool_from_json, tool_to_json, tools_of
from remit.tools import Origin, Role, Tier

PAY = {
    "name": "pay",
    "description": "Pays.",
    "inputSchema": {
        "type": "object",
        "properties": {"amount": {"type": "string"}, "iban": {"type": "string"}, "order": {"type": "string"}},
    },
}
LIST = {
    "name": "list",
    "description": "Lists.",
    "inputSchema": {"type": "object"},
    "annotations": {"readOnlyHint": True},
}
ERP = """
mcp:
  command: [python, erp.py]
timeout_seconds: 5
tools:
  pay:
    tier: restricted-write
    idempotent: true
    poll: true
    cost: {amount: '0.10', currency: USD}
    extracts: {'$.lines.*.total': number}
    roles:
      amount: $.amount
      account: {path: $.iban, from: [directory], strict: true}
      order_id: $.order
"""
TRUSTED = {Origin.PERSON, Origin.DIRECTORY, Origin.ALLOW_LIST}


def a_source(body=ERP):
    return Registry.build(applied(source_text(body)).values()).source("erp")


def test_a_tool_joins_what_the_source_offers_with_what_people_declared():
    (pay,) = tools_of(a_source(), [PAY])

    assert (pay.name, pay.source, pay.description) == ("erp__pay", "erp", "Pays.")
    assert (pay.tier, pay.idempotent, pay.timeout_seconds) == (Tier.RESTRICTED_WRITE, True, 5.0)
    assert pay.cost == Money.of("0.10", "USD")
    assert pay.extracts == {"lines.*.total": "number"}
    assert pay.role("account") == Role("account", "iban", frozenset({Origin.DIRECTORY}), strict=True)


def test_amounts_and_references_may_also_be_extracted_but_an_account_may_not():
    (pay,) = tools_of(a_source(ERP.replace("{path: $.iban, from: [directory], strict: true}", "$.iban")), [PAY])

    assert pay.role("amount").origins == TRUSTED | {Origin.EXTRACTED}
    assert pay.role("order_id").origins == TRUSTED | {Origin.EXTRACTED}
    assert pay.role("account").origins == TRUSTED


def test_a_tool_that_nobody_declared_is_critical_whatever_its_server_says():
    assert [tool.tier for tool in tools_of(a_source(), [LIST])] == [Tier.CRITICAL]


def test_a_declared_tool_without_a_tier_is_critical():
    source = a_source("mcp: {command: [x]}\ntools: {list: {idempotent: true}}\n")

    assert tools_of(source, [LIST])[0].tier is Tier.CRITICAL


def test_tools_that_are_declared_but_not_offered_are_named():
    assert not_offered(a_source(), [LIST]) == ("pay",)


def _deep(levels):
    schema = {"type": "object"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


@pytest.mark.parametrize(
    ("definition", "told"),
    [
        ({**PAY, "inputSchema": {"type": "object", "properties": {"iban": {}, "order": {}}}}, "role 'amount' of 'pay'"),
        ({**PAY, "inputSchema": {"type": "string"}}, "named inputs need `type: object`"),
        ({**PAY, "inputSchema": {"type": "object", "$ref": "http://evil.example/s"}}, "leads out of the schema"),
        ({**PAY, "inputSchema": None}, "a JSON Schema is a mapping"),
        ({**PAY, "inputSchema": _deep(5_000)}, "nests more than 100 levels deep"),
        ({"name": "a tool!"}, "cannot be used"),
    ],
)
def test_a_definition_that_cannot_be_used_is_refused_with_its_fault(definition, told):
    with pytest.raises(InvalidResource, match="Tool source 'erp'") as refused:
        tools_of(a_source(), [definition])

    assert told in refused.value.detail


def test_a_name_that_stands_twice_is_refused():
    with pytest.raises(InvalidResource, match="'list' stands twice"):
        tools_of(a_source(), [LIST, LIST])


def test_a_python_tool_may_declare_its_own_schema():
    source = a_source("python: {module: acme.erp}\ntools: {list: {input: {type: object, required: [a]}}}\n")

    assert tools_of(source, [LIST])[0].input_schema == {"type": "object", "required": ["a"]}


# --- Files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "line", "told"),
    [
        (
            "openapi: https://example.org/api.json\n",
            4,
            "expected an object",
        ),
        ("sql: {url: x}\n", 4, "this is no address of a database"),
        ("sql: {url: 'oracle://db/erp', tables: {t: [a]}}\n", 4, "this is no address of a database"),
        (
            "sql: {url: 'postgresql://a:geheim@db/erp', tables: {t: [a]}}\n",
            4,
            "a password may not stand in the address",
        ),
        ("sql: {url: 'sqlite:///x'}\n", 4, "there would be no tool"),
        ("sql: {tables: {t: [a]}}\n", 4, "expected `url`, or `dialect`"),
        ("sql: {url: 'sqlite:///x', tables: {t: []}}\n", 4, "at least 1"),
        ("sql: {url: 'sqlite:///x', tables: {'t;': [a]}}\n", 4, "such as orders or sales.orders"),
        ("sql: {url: 'sqlite:///x', tables: {t: [a]}, read_role: r}\n", 4, "for PostgreSQL"),
        ("sql: {dialect: mysql, tables: {t: [a]}}\nnetwork: {allow: [10.0.0.1]}\n", 5, "calls over a network"),
        (
            "sql: {dialect: mysql, statements: {s: {sql: DELETE FROM t WHERE a = 1}}}\ntools: {s: {tier: read-only}}\n",
            5,
            "a statement writes",
        ),
        (
            "sql: {dialect: mysql, queries: {q: {sql: SELECT 1, parameters: {a: {type: date, minimum: 1}}}}}\n",
            4,
            "for integers and numbers",
        ),
        ("soap: {wsdl: 'ftp://erp/orders'}\n", 4, "expected an address such as https"),
        ("soap: {wsdl: 'https://user:geheim@erp/orders'}\n", 4, "expected an address such as https"),
        ("soap: {wsdl: x, endpoint: erp}\n", 4, "expected an address such as https"),
        ("a2a: {card: agents/card.json}\n", 4, "an address such as https"),
        ("a2a: {card: 'https://user:geheim@agents/card.json'}\n", 4, "an address such as https"),
        ("http: {url: x}\n", 4, "not built in this release"),
        ("mcp: {url: 'ftp://crm.example/'}\n", 4, "such as https://crm.example.com/mcp"),
        ("mcp: {url: 'https://anna:secret@crm.example/'}\n", 4, "without user and password in it"),
        ("mcp: {url: 'https://crm.example/', command: [x]}\n", 4, "exactly one may stand"),
        ("mcp: {url: 'https://crm.example/'}\nenv: [A]\n", 5, "`env` is for a server that Remit starts"),
        ("mcp: {command: [x]}\ncredential: {ref: erp}\n", 5, "never the secret itself"),
        ("mcp: {command: [x]}\ncredential: {ref: 'env:A'}\n", 5, "receives it as a variable: `as: {env: NAME}`"),
        (
            "mcp: {url: 'https://crm.example/'}\ncredential: {ref: 'env:A', as: {env: B}}\n",
            5,
            "for a server that Remit starts",
        ),
        ("mcp: {command: [x]}\ncredential: {ref: 'env:A', as: {env: B}}\nenv: [B]\n", 6, "leave it out here"),
        ("mcp: {command: [x]}\ncredential: {ref: 'env:A', as: {env: 'B=c'}}\n", 5, "a variable's name"),
        ("mcp: {url: 'https://crm.example/', network: true}\n", 4, "for a server that Remit starts"),
        ("mcp: {command: [x]}\nnetwork: {allow: [10.0.0.1]}\n", 5, "a server that Remit starts has none"),
        ("mcp: {command: [x]}\npython: {module: m}\n", 5, "exactly one may stand: `mcp` is there already"),
        ("description: nothing\n", 1, "expected `mcp` or `openapi`"),
        ("mcp: {}\n", 4, "expected `command` or `url`"),
        ("mcp: {command: []}\n", 4, "name a program"),
        ("mcp:\n", 4, "`mcp` is empty"),
        ("python: {module: m}\nenv: [A]\n", 5, "`env` is for a server that Remit starts"),
        ("mcp: {command: [x]}\nenv: [A=b]\n", 5, "without a value"),
        ("mcp: {command: [x]}\ntools: {t: {input: {type: object}}}\n", 5, "counts: leave this out"),
        ("openapi: {document: a.json}\ntools: {t: {input: {type: object}}}\n", 5, "counts: leave this out"),
        ("openapi: {document: ''}\n", 4, "at least 1 character"),
        ("openapi: {document: a.json, base_url: crm}\n", 4, "expected an address"),
        ("mcp: {command: [x]}\ntools: {t: {tier: harmless}}\n", 5, "read-only"),
        ("mcp: {command: [x]}\ntools: {t: {roles: {amount: amount}}}\n", 5, "such as $.amount"),
        ("mcp: {command: [x]}\ntools: {t: {roles: {amount: {path: $.a, from: [web]}}}}\n", 5, "directory"),
        ("python: {module: m}\ntools: {t: {input: {type: objct}}}\n", 5, "not a JSON Schema that can be used"),
        ("python: {module: m}\ntools: {t: {input: {type: object, $ref: 'file:///etc/passwd'}}}\n", 5, "leads out"),
        ("mcp: {command: [x]}\ntimeout_seconds: 0\n", 5, "greater than 0"),
    ],
)
def test_a_source_that_cannot_be_used_is_refused_at_its_line(body, line, told):
    plan = planned(source_text(body))

    assert lines(plan) == [("0.yaml", line)]
    assert told in plan.errors[0].message


def test_a_password_in_an_address_is_not_shown_back():
    plan = planned(source_text("mcp: {url: 'https://anna:hunter2@crm.example/'}\n"))

    assert "hunter2" not in str(plan.errors[0])


def test_a_name_with_two_underscores_would_make_its_tools_ambiguous():
    assert lines(planned(source_text("mcp: {command: [x]}\n", name="a__b"))) == [("0.yaml", 3)]


def test_a_password_in_an_address_is_not_shown_in_the_error():
    plan = planned(source_text("sql: {url: 'postgresql://a:geheim@db/erp', tables: {t: [a]}}\n"))

    assert "geheim" not in str(plan.errors)


def test_a_misspelt_role_is_warned_of():
    plan = planned(source_text("mcp: {command: [x]}\ntools: {t: {roles: {ammount: $.a, invoice: $.b}}}\n"))

    (problem,) = plan.problems
    assert problem.severity == "warning"
    assert "did you mean 'amount'?" in problem.message


# --- Pins -----------------------------------------------------------------------------------------------------------


def test_equal_definitions_have_equal_pins():
    assert compare_pins(tools_of(a_source(), [PAY]), tools_of(a_source(), [PAY])) == ()


def test_what_changed_in_a_definition_is_named():
    accepted = tools_of(a_source(), [PAY, LIST])
    altered = {**PAY, "description": "Pays at once.", "inputSchema": {**PAY["inputSchema"], "required": ["iban"]}}
    extra = {"name": "wipe", "inputSchema": {"type": "object"}}

    changes = compare_pins(accepted, tools_of(a_source(), [altered, extra]))

    assert [str(change) for change in changes] == [
        "erp__list is not offered any more",
        "erp__pay has changed: description: 'Pays.' -> 'Pays at once.'; input.required: ['iban'] is new",
        "erp__wipe is offered, but nobody accepted it yet",
    ]


def test_a_lowered_tier_breaks_the_pin():
    lowered = tools_of(a_source(ERP.replace("restricted-write", "read-only")), [PAY])

    (change,) = compare_pins(tools_of(a_source(), [PAY]), lowered)

    assert change.what == ("tier: 'restricted-write' -> 'read-only'",)


def test_an_accepted_tool_comes_back_from_the_store_as_it_was():
    (pay,) = tools_of(a_source(), [PAY])

    assert tool_from_json(tool_to_json(pay)) == pay
    assert tool_to_json(pay)["pin"] == pay.pin


def test_accepting_writes_what_is_new_and_removes_what_is_gone():
    before = tools_of(a_source(), [PAY])

    records = accept_tools(tools_of(a_source(), [PAY, LIST]), before)
    back = accept_tools(before, tools_of(a_source(), [PAY, LIST]))

    assert [(record.key, record.value is None) for record in records] == [("erp__list", False)]
    assert [(record.key, record.value is None) for record in back] == [("erp__list", True)]
