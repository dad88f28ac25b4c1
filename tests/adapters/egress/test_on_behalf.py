"""A source is called with what is one person's: a token exchanged for them (RFC 8693), or a secret of their own."""

import asyncio
import base64
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from urllib.parse import unquote_plus

import pytest
from joserfc import jws
from joserfc.jwk import KeySet
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from tests.adapters.served import served
from tests.gateway.builders import FakeClock

from remit.bootstrap import create_home, current_principal, open_home
from remit.config import Settings
from remit.errors import CredentialMissing, CredentialRefused, InvalidResource, PersonCredentialMissing
from remit.gateway import Call, Caller, CallLog, RunTape
from remit.identity.token import TYPE as AGENTS_TOKEN
from remit.ids import MissionId, PrincipalId, StepId
from remit.ledger import Commit, OpenBalance

SECRET = "client-marker-9b1e"
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "crm", "version": "1"},
    "paths": {
        "/who": {
            "get": {
                "operationId": "who",
                "parameters": [{"name": "n", "in": "query", "schema": {"type": "integer"}}],
                "responses": {"200": {"description": "whose token it is"}},
            }
        }
    },
}


class Elsewhere:
    """An authorization server, and a service that takes its tokens: both on one real port."""

    def __init__(self):
        self.jwks = None
        self.people = {"anna", "bea"}
        self.tokens = {}
        self.subjects = []
        self.forms = []
        self.seconds = 600
        self.answer = None
        self.taken = []

    @property
    def app(self):
        return Starlette(
            routes=[
                Route("/token", self.token, methods=["POST"]),
                Route("/who", self.who),
                Route("/openapi.json", self.document),
            ]
        )

    async def document(self, request):
        return JSONResponse({**DOCUMENT, "servers": [{"url": str(request.base_url)}]})

    async def token(self, request):
        client, secret = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode().split(":")
        form = dict(await request.form())
        self.forms.append(form)
        if (unquote_plus(client), unquote_plus(secret)) != ("remit", SECRET):
            return JSONResponse({"error": "invalid_client", "error_description": secret}, 401)
        if self.answer is not None:
            return JSONResponse(*self.answer)
        person, agent = self._subject(form, str(request.url))
        if person not in self.people:
            return JSONResponse({"error": "access_denied", "error_description": form["subject_token"]}, 400)
        token = f"token-{len(self.tokens)}-of-{person}"
        self.tokens[token] = person, agent
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": self.seconds})

    def _subject(self, form, address):
        assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:token-exchange"
        if form["subject_token_type"].endswith(":id_token"):
            return form["subject_token"].removeprefix("id-of-"), ""
        opened = jws.deserialize_compact(
            form["subject_token"], KeySet.import_key_set(json.loads(self.jwks.read_text())), algorithms=["ES256"]
        )
        claims = json.loads(opened.payload)
        assert opened.headers()["typ"] != AGENTS_TOKEN
        assert claims["aud"] == address
        assert 0 < claims["exp"] - claims["iat"] <= 120
        assert claims["jti"] not in self.subjects
        self.subjects.append(claims["jti"])
        return claims["sub"], claims["act"]["sub"]

    async def who(self, request):
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        self.taken.append(token)
        if token not in self.tokens:
            return JSONResponse({"no": token}, 401)
        person, agent = self.tokens[token]
        return JSONResponse({"person": person, "agent": agent, "told": token})


class Home:
    def __init__(self, plane, clock):
        self.plane, self.clock = plane, clock
        self.count = 0

    async def who(self, principal, agent="clerk"):
        self.count += 1
        caller = Caller(
            "default", PrincipalId(principal), MissionId("msn-1"), StepId("look"), 1, f"{agent}@1.0.0", agent,
            ("*",), ("*",), 0, 1_000_000,
        )  # fmt: skip
        answer = await self.plane.core.door.enforce(
            caller, Call("crm__who", {"n": self.count}, self.count), CallLog(), RunTape(), progress=""
        )
        return answer.content


RESOURCES = """\
apiVersion: remit/v1
kind: Policy
name: open
agents: ["*"]
---
apiVersion: remit/v1
kind: Principal
name: anna
roles: [operator]
---
apiVersion: remit/v1
kind: Principal
name: bea
roles: [operator]
---
apiVersion: remit/v1
kind: Principal
name: carl
roles: [operator]
---
"""
SOURCE = """\
apiVersion: remit/v1
kind: ToolSource
name: crm
description: Customers.
openapi: {{document: "{url}/openapi.json"}}
network: {{allow: ["127.0.0.1"]}}
credential:
  {credential}
tools:
  who: {{tier: read-only}}
"""
EXCHANGE = """exchange: {{token_url: "{url}/token", client_id: remit, client_secret: "env:CLIENT_SECRET", audience: crm,
    scope: "read write"{more}}}"""


@asynccontextmanager
async def a_home(folder, server, elsewhere, credential):
    settings = Settings(folder / "home")
    await create_home(settings)
    elsewhere.jwks = folder / "home" / "subject.jwks.json"
    clock = FakeClock()
    clock.instant = datetime.now(UTC)
    plane = await open_home(settings, clock=clock)
    try:
        text = RESOURCES + SOURCE.format(url=server.url, credential=credential)
        await plane.resources.apply([("all.yaml", text)], current_principal(plane))
        space = plane.core.door.vault.open_space(MissionId("msn-1"))
        await plane.core.store.commit(Commit((), (space, OpenBalance("mission/msn-1", 1_000_000))))
        yield Home(plane, clock)
    finally:
        await plane.close()


def told(folder, story, *, credential=EXCHANGE, more="", monkeypatch=None, secret=SECRET):
    elsewhere = Elsewhere()
    if monkeypatch is not None:
        monkeypatch.setenv("CLIENT_SECRET", secret)

    async def main():
        with served(elsewhere.app) as server:
            written = credential.format(url=server.url, more=more)
            async with a_home(folder, server, elsewhere, written) as home:
                return await story(home, elsewhere)

    return asyncio.run(asyncio.wait_for(main(), 60))


def test_each_person_and_agent_has_a_token_of_their_own_that_is_exchanged_once(tmp_path, monkeypatch):
    async def story(home, elsewhere):
        first = [await home.who("anna"), await home.who("bea"), await home.who("anna", agent="other")]
        again = await asyncio.gather(*(home.who(person) for person in ("anna", "bea") * 5))
        return elsewhere, first, again

    elsewhere, first, again = told(tmp_path, story, monkeypatch=monkeypatch)

    assert [(who["person"], who["agent"]) for who in first] == [
        ("anna", "clerk@1.0.0"),
        ("bea", "clerk@1.0.0"),
        ("anna", "other@1.0.0"),
    ]
    assert [who["person"] for who in again] == ["anna", "bea"] * 5
    assert len(elsewhere.forms) == 3
    assert elsewhere.forms[0]["audience"] == "crm"
    assert elsewhere.forms[0]["scope"] == "read write"
    assert len(set(elsewhere.taken)) == 3
    assert all(who["told"] == "[credential]" for who in [*first, *again]), "what the service echoes is taken out"


def test_calls_at_once_exchange_once(tmp_path, monkeypatch):
    async def story(home, elsewhere):
        await asyncio.gather(*(home.who("anna") for _ in range(8)))
        return elsewhere

    assert len(told(tmp_path, story, monkeypatch=monkeypatch).forms) == 1


def test_a_token_that_has_ended_or_was_refused_is_exchanged_anew(tmp_path, monkeypatch):
    async def story(home, elsewhere):
        await home.who("anna")
        home.clock.move(seconds=elsewhere.seconds - 20)
        await home.who("anna")
        elsewhere.tokens.clear()  # revoked there
        with pytest.raises(CredentialRefused):
            await home.who("anna")
        return elsewhere, await home.who("anna")

    elsewhere, last = told(tmp_path, story, monkeypatch=monkeypatch)

    assert len(elsewhere.forms) == 3
    assert last["person"] == "anna"


def test_a_person_whom_the_server_gives_none_is_refused_and_nobody_else_is_held_up(tmp_path, monkeypatch):
    async def story(home, elsewhere):
        refused = []
        for _ in range(8):  # more than would open the source's breaker
            with pytest.raises(PersonCredentialMissing) as no:
                await home.who("carl")
            refused.append(no.value)
        taken = list(elsewhere.taken)
        return refused, taken, await home.who("anna")

    refused, taken, other = told(tmp_path, story, monkeypatch=monkeypatch)

    assert "carl" in str(refused[0])
    assert "access_denied" in str(refused[0])
    assert "eyJ" not in str(refused[0].to_json()), "what was exchanged is told to nobody"
    assert taken == [], "nothing was sent without a credential"
    assert other["person"] == "anna"


@pytest.mark.parametrize(
    ("answer", "told_of"),
    [
        (({"error": "invalid_scope"}, 400), "400 invalid_scope"),
        (({"error": "<b>hunter2</b>"}, 400), "answered 400."),
        (({"access_token": "abc", "token_type": "N_A"}, 200), "no bearer token"),
        (({"access_token": "a b\n", "token_type": "Bearer"}, 200), "no bearer token"),
        ((["token"], 200), "no bearer token"),
    ],
)
def test_an_answer_that_is_no_token_is_told_in_words_of_our_own(tmp_path, monkeypatch, answer, told_of):
    async def story(home, elsewhere):
        elsewhere.answer = answer
        with pytest.raises(CredentialMissing) as no:
            await home.who("anna")
        return str(no.value.to_json())

    text = told(tmp_path, story, monkeypatch=monkeypatch)

    assert told_of in text
    assert "hunter2" not in text


def test_remits_own_secret_is_told_to_nobody_where_the_server_refuses_it(tmp_path, monkeypatch):
    async def story(home, _elsewhere):
        with pytest.raises(CredentialMissing) as no:
            await home.who("anna")
        return str(no.value.to_json())

    text = told(tmp_path, story, monkeypatch=monkeypatch, secret="another-secret")

    assert "401 invalid_client" in text
    assert "another-secret" not in text


def test_a_token_that_each_person_was_given_is_exchanged_where_the_source_says_so(tmp_path, monkeypatch):
    async def story(home, elsewhere):
        folder = tmp_path / "home" / "people"
        folder.mkdir()
        (folder / "anna").write_text("id-of-anna")
        with pytest.raises(PersonCredentialMissing):
            await home.who("bea")
        return elsewhere, await home.who("anna")

    more = ', subject: {ref: "file:people/{principal}", type: id_token}'
    elsewhere, who = told(tmp_path, story, monkeypatch=monkeypatch, more=more)

    assert who["person"] == "anna"
    assert len(elsewhere.forms) == 1


def test_each_persons_own_secret_is_sent_for_them_and_for_nobody_else(tmp_path):
    async def story(home, elsewhere):
        folder = tmp_path / "home" / "people"
        folder.mkdir()
        for person in ("anna", "bea"):
            (folder / person).write_text(f"key-of-{person}")
            elsewhere.tokens[f"key-of-{person}"] = person, ""
        who = [(await home.who(person))["person"] for person in ("anna", "bea", "anna")]
        with pytest.raises(PersonCredentialMissing, match="carl has no credential here"):
            await home.who("carl")
        (folder / "anna").write_text("key-of-bea")  # read at each call
        return elsewhere, [*who, (await home.who("anna"))["person"]]

    elsewhere, who = told(tmp_path, story, credential='per_person: {{ref: "file:people/{{principal}}"}}')

    assert who == ["anna", "bea", "anna", "bea"]
    assert "" not in elsewhere.taken


@pytest.mark.parametrize(
    ("credential", "why"),
    [
        ('per_person: {{ref: "file:people/all"}}', "principal"),
        ('per_person: {{ref: "people/{{principal}}"}}', "expected a reference"),
        ("as: bearer", "expected `ref`, `per_person`, `exchange` or `certificate`"),
        (
            'exchange: {{token_url: "http://sso.example/token", client_id: a, client_secret: "env:A"}}',
            "expected an https address",
        ),
        (
            'exchange: {{token_url: "https://sso.example/token", client_id: a, client_secret: hunter2}}',
            "never the secret",
        ),
    ],
)
def test_what_could_not_hold_is_refused_when_it_is_applied(tmp_path, credential, why):
    async def story(_home, _elsewhere):
        raise AssertionError("it was applied")

    with pytest.raises(InvalidResource, match=why) as no:
        told(tmp_path, story, credential=credential)
    assert "hunter2" not in str(no.value.to_json())
