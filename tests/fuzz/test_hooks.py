"""Requests to `/hooks` that are almost right: refused, and nothing begins."""

import asyncio
import json

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fuzz.shapes import almost, values
from tests.triggers.builders import HOOK, Clock, a_home, missions_of, signed

from remit.api.app import create_app
from remit.api.doors import AgentDoors
from remit.bootstrap import current_principal

ORDER = {"vendor": "Acme Ltd", "amount": "50.00"}
_FEW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
noise = st.binary(max_size=200)
headers = st.dictionaries(
    st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", "content-type", "x-hub-signature-256"]),
    st.binary(max_size=60).filter(lambda value: not set(value) & set(b"\r\n\x00")),
)


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    """Sends a request to the doors of a home with a trigger, and counts missions."""
    with asyncio.Runner() as runner:
        opening = a_home(
            tmp_path_factory.mktemp("hooks"), clock=Clock(), on=HOOK.replace("}}", ", per_second: 10000}}")
        )
        plane = runner.run(opening.__aenter__())
        runner.run(plane.core.take_lease())
        people = create_app(plane, lambda: current_principal(plane), driving=True)
        transport = httpx.ASGITransport(AgentDoors(plane, people))
        client = httpx.AsyncClient(base_url="http://hooks.example", transport=transport)

        def send(path, given, body, method="POST"):
            answer = runner.run(client.request(method, path, headers=given, content=body))
            return answer, len(runner.run(missions_of(plane)))

        yield send
        runner.run(plane.core.driver.stop())
        runner.run(opening.__aexit__(None, None, None))


@_FEW
@given(
    given=headers, body=noise, path=st.text("abc/.%-_é ", max_size=12), method=st.sampled_from(["GET", "POST", "PUT"])
)
def test_a_request_without_the_signature_is_not_authentic_whatever_it_holds(target, given, body, path, method):
    for way in ("/hooks/orders", "/hooks", f"/hooks/{path}"):
        answer, missions = target(way, given, body, method)
        assert answer.status_code in {401, 404}
        assert missions == 0


@_FEW
@given(body=almost(ORDER) | values | noise)
def test_a_signed_body_that_is_almost_right_is_taken_or_refused_and_never_breaks_anything(target, body):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode("utf-8", "surrogatepass")
    given, sent = signed(raw, name=f"m-{hash(raw)}")
    answer, _ = target("/hooks/orders", given, sent)

    assert answer.status_code in {200, 202, 400, 409, 422}
    if answer.status_code >= 400:
        assert answer.json()["code"] in {"invalid_event", "invalid_input"}


@_FEW
@given(place=st.integers(0, 300), byte=st.integers(1, 255))
def test_any_byte_that_is_changed_on_the_way_is_noticed(target, place, byte):
    given, body = signed(ORDER, name="changed")
    changed = bytearray(body)
    changed[place % len(body)] ^= byte
    answer, _ = target("/hooks/orders", given, bytes(changed))

    assert answer.status_code == 401
