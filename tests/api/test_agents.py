"""Signed requests over a real connection: what the client signs is what the server sees."""

import asyncio
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from tests.identity.tokens import ISSUER, KEY, NOW, StillClock, an_authenticator, an_identity

from remit.api.agents import agent_of
from remit.api.problems import problem
from remit.errors import RemitError
from remit.identity import Request as Signable
from remit.identity import RequestSigner, issue, sign

SIGNER = RequestSigner.generate()
SIGNED = issue(an_identity(confirmed=SIGNER.public), ISSUER, KEY)
BEARER = issue(an_identity(), ISSUER, KEY)


@asynccontextmanager
async def a_server():
    authenticator = an_authenticator(StillClock())

    async def who(request: Request):
        try:
            identity = await agent_of(request, await request.body(), authenticator)
        except RemitError as error:
            return problem(error)
        return JSONResponse({"agent": identity.agent})

    app = Starlette(routes=[Route("/{path:path}", who, methods=["GET", "POST", "DELETE"])])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            yield client
    finally:
        server.should_exit = True
        await serving


def signed(client, method, url, body=b"", *, nonce="nonce-0123456789"):
    """The request that a client would send, signed as the wire will show it."""
    request = client.build_request(method, url, content=body)
    path, _, query = request.url.raw_path.decode().partition("?")
    seen = Signable(method, request.headers["host"], path, query, body)
    request.headers.update(sign(seen, f"Bearer {SIGNED}", SIGNER, created=NOW, nonce=nonce))
    return request


def run(story):
    asyncio.run(asyncio.wait_for(story(), 30))


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("POST", "/mcp/erp", b'{"a": 1}'),
        ("GET", "/", b""),
        ("GET", "/a%20b/%C3%A9?x=1&y=%2F&x=2", b""),
        ("DELETE", "/a//b/?", b""),
    ],
)
def test_a_request_is_taken_as_it_was_signed_whatever_its_path_and_query(method, url, body):
    async def story():
        async with a_server() as client:
            answer = await client.send(signed(client, method, url, body))

            assert (answer.status_code, answer.json()) == (200, {"agent": "clerk@1.0.0"})

    run(story)


def test_asi07_what_is_changed_or_sent_again_on_a_real_connection_is_refused():
    async def story():
        async with a_server() as client:
            heard = signed(client, "POST", "/mcp?x=1", b"{}")
            assert (await client.send(heard)).status_code == 200
            again = client.build_request("POST", "/mcp?x=1", content=b"{}", headers=heard.headers)
            other = client.build_request("POST", "/mcp?x=2", content=b"{}", headers=heard.headers)
            body = client.build_request("POST", "/mcp?x=1", content=b"[]", headers=heard.headers)
            answers = [await client.send(one) for one in (again, other, body)]

            assert [answer.status_code for answer in answers] == [401, 401, 401]
            codes = [answer.json()["code"] for answer in answers]
            assert codes == ["signature_replayed", "signature_invalid", "signature_invalid"]

    run(story)


def test_a_bearer_that_came_through_a_proxy_is_not_from_this_machine():
    async def story():
        async with a_server() as client:
            bearer = {"authorization": f"Bearer {BEARER}"}
            assert (await client.get("/", headers=bearer)).status_code == 200
            for header in ("X-Forwarded-For", "Forwarded", "Via"):
                answer = await client.get("/", headers={**bearer, header: "203.0.113.7"})
                assert (answer.status_code, answer.json()["rule"]) == (401, "bearer_not_local")

    run(story)
