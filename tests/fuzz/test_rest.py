"""REST v1 by its own description: whatever a client sends is answered as the description says, and breaks nothing."""

import json

import orjson
import pytest
import requests
import schemathesis
from hypothesis import example, given
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance
from tests.fuzz.shapes import almost, deep, values
from tests.fuzz.target import bounded

from remit.api.app import create_app
from remit.bootstrap import current_principal

SCHEMA = schemathesis.openapi.from_dict(create_app(None, None).openapi())
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations()]
CHECKS = [not_a_server_error, response_schema_conformance, content_type_conformance]
PROBLEM = {"type", "code", "title", "status", "detail", "rule", "retryable", "hint", "remedy"}
URL = "http://127.0.0.1:8321"
#: What a JSON reader may let through and a writer may stumble on.
ODD = st.sampled_from([float("nan"), float("inf"), 10**400, 2**64, -(2**63) - 1, "\ud800", {"\udfff": 1}, deep(300)])
FILE = {"name": "a.yaml", "text": "apiVersion: remit/v1\nkind: Policy\nname: a\nagents: ['*']\n"}
CASES = {"name": "c.yaml", "text": "tool: a__b\nrequest: {agent: a}\nexpected: {answer: deny}\n"}
BODIES = {
    "/api/v1/missions": {"workflow": "none", "inputs": {"a": 1}},
    "/api/v1/apply": {"files": [FILE], "dry_run": True, "prompts": {"a": "b"}},
    "/api/v1/halts": {"scope": "agent/nobody", "reason": "a"},
    "/api/v1/approvals/none/answer": {"verdict": "steer", "note": "a", "changes": {"a": 1}},
    "/api/v1/policies/check": {"files": [FILE]},
    "/api/v1/policies/explain": {"agent": "tester", "tool": "acme__vendor", "arguments": {"name": "a"}, "skill": ""},
    "/api/v1/policies/test": {"cases": [CASES], "files": [FILE]},
    "/api/v1/policies/simulate": {"files": [FILE], "since": "30d", "mission": "", "alone": False},
    "/api/v1/sources/propose": {"source": {"name": "a", "python": {"module": "tests.control_plane.acme"}}},
    "/api/v1/tokens": {"agent": "tester", "for": "", "seconds": 300, "tools": ["acme__*"], "jwk": {"kty": "OKP"}},
    "/api/v1/sessions": {"agent": "tester", "for": "", "inputs": {"a": 1}, "budget_usd_micros": 1},
    "/api/v1/sessions/MISSION/close": {"failed": "", "output": {"a": 1}},
}


def requires_problem_form(answered):
    """Every no is a problem (RFC 9457) with all its members."""
    if answered.status >= 400:
        assert answered.kind == "application/problem+json"
        told = orjson.loads(answered.body)
        assert told.keys() >= PROBLEM
        assert told["status"] == answered.status


def sent(target, case):
    """Send what was generated, and have the answer checked against the description."""
    asked = requests.Request(**case.as_transport_kwargs(base_url=URL)).prepare()
    path, _, query = asked.path_url.partition("?")
    headers = [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in asked.headers.items()]
    body = asked.body or b""
    body = body if isinstance(body, bytes) else body.encode()
    answered = target.ask(case.method, requests.utils.unquote(path), headers, body, query.encode())
    requires_problem_form(answered)
    told = {k.decode(): [v.decode("latin-1")] for k, v in answered.headers.items()}
    case.validate_response(Response(answered.status, told, answered.body, asked, 0.0, verify=False), checks=CHECKS)


@pytest.fixture(scope="module")
def mission(target):
    """A mission that there is: an agent's open session."""
    opened = target.plane.sessions.open("tester", current_principal(target.plane), inputs={})
    return target.run(opened).mission


@pytest.mark.parametrize("operation", OPERATIONS, ids=[found.label for found in OPERATIONS])
def test_each_operation_keeps_to_its_description(target, mission, operation):
    right, wrong = operation.as_strategy(), operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)

    @bounded(6)
    @given(right, st.booleans())
    def as_described(case, known):
        _aim(case, mission, known=known)
        sent(target, case)

    as_described()
    # Any text is a good name in a path: only what stands elsewhere can be wrong by the description.
    if operation.query or operation.body:

        @bounded(4)
        @given(wrong)
        def otherwise(case):
            _aim(case, mission, known=False)
            sent(target, case)

        otherwise()


def _aim(case, mission, *, known):
    """Often at a mission that there is; and never at something for which an answer waits."""
    if known and "mission" in (case.path_parameters or {}):
        case.path_parameters["mission"] = mission
    if isinstance(case.query, dict) and "wait" in case.query:
        del case.query["wait"]


@bounded(120)
@given(
    st.sampled_from(sorted(BODIES)).flatmap(lambda path: st.tuples(st.just(path), almost(BODIES[path], values | ODD)))
)
@example(("/api/v1/missions", {"workflow": "a", "inputs": {"a": float("nan")}}))
@example(("/api/v1/halts", {"scope": "agent/\ud800", "reason": "\ud800"}))
@example(("/api/v1/sessions", {"agent": "tester", "inputs": {"a": 2**64}}))
@example(("/api/v1/sessions", {"agent": "tester", "inputs": {"a": "\ud800"}}))
@example(("/api/v1/policies/explain", {"agent": "tester", "tool": "acme__vendor", "arguments": {"name": "\ud800"}}))
def test_an_almost_right_body_is_answered(target, mission, asked):
    path, body = asked
    headers = [(b"content-type", b"application/json")]
    path = path.replace("MISSION", mission)
    requires_problem_form(target.ask("POST", path, headers, json.dumps(body).encode()))


@pytest.mark.parametrize(
    "body", [b"\xff", b"[" * 5000, b"{", b"1" * 5000, b""], ids=["bytes", "deep", "half", "long", "no"]
)
def test_a_body_that_is_no_json_is_the_callers_mistake(target, body):
    answered = target.ask("POST", "/api/v1/halts", [(b"content-type", b"application/json")], body)

    requires_problem_form(answered)
    assert orjson.loads(answered.body)["code"] == "invalid_input"


@pytest.mark.parametrize("query", ["ledger?after=%s", "missions/%s/events?after=%s", "ledger?limit=%s"])
def test_a_number_that_no_store_counts_to_is_answered(target, mission, query):
    path, _, query = query.replace("missions/%s", f"missions/{mission}").replace("%s", str(2**70)).partition("?")
    requires_problem_form(target.ask("GET", f"/api/v1/{path}", [], b"", query.encode()))
