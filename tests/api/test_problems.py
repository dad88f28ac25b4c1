import asyncio
import getpass

import httpx

from remit.api import create_app
from remit.api.problems import MEDIA_TYPE


def test_an_error_of_the_catalogue_is_a_problem_with_its_code_and_hint(ask):
    answer = ask(("GET", "/api/v1/missions/msn-nope", None))

    told = answer.json()
    assert answer.status_code == 404
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert told["type"] == "urn:remit:error:not_found"
    assert told["hint"]


def test_a_route_that_does_not_exist_is_a_problem_too(ask):
    answers = ask(("GET", "/api/v1/nope", None), ("PUT", "/api/v1/missions", {}))

    assert [answer.status_code for answer in answers] == [404, 405]
    assert all(answer.headers["content-type"] == MEDIA_TYPE for answer in answers)


def test_an_unknown_field_is_refused_by_name_and_its_value_is_not_repeated(ask):
    answer = ask(("POST", "/api/v1/missions", {"workflow": "x", "secrt": "hunter2"}))

    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_input"
    assert "secrt" in answer.json()["detail"]
    assert "hunter2" not in answer.text


def test_a_person_without_the_right_is_refused_at_once(ask):
    user = getpass.getuser()
    auditor = f"apiVersion: remit/v1\nkind: Principal\nname: {user}\nroles: [auditor]\nos_user: {user}\n---\n"
    auditor += "apiVersion: remit/v1\nkind: Principal\nname: olive\nroles: [owner]\n"
    answers = ask(
        ("POST", "/api/v1/apply", {"files": [{"name": "p.yaml", "text": auditor}]}),
        ("POST", "/api/v1/halts", {"scope": "tenant"}),
        ("GET", "/api/v1/ledger", None),
    )

    assert [answer.status_code for answer in answers] == [200, 403, 200]
    assert answers[1].json()["code"] == "rights_exceeded"


def test_a_mistake_of_our_own_tells_nothing_of_itself(caplog):
    class Broken:
        @property
        def missions(self):
            raise RuntimeError("account 4711")

    async def work():
        transport = httpx.ASGITransport(create_app(Broken(), lambda: None))
        async with httpx.AsyncClient(base_url="http://remit.local", transport=transport) as client:
            return await client.get("/api/v1/missions")

    answer = asyncio.run(work())

    assert answer.status_code == 500
    assert answer.json()["code"] == "internal"
    assert "4711" not in answer.text
    assert "4711" in caplog.text
