"""Several servers on one home: an agent outside works through all of them at once, and one of them is killed."""

import asyncio
import json
import time
from contextlib import asynccontextmanager
from itertools import pairwise

import httpx
import pytest
from starlette.requests import Request as Request_
from starlette.responses import Response
from tests.processes.a_cluster import BOUND_SECONDS, made_cluster, told, until

from remit.api.serve import listening
from remit.bootstrap import current_principal
from remit.identity import Request, RequestSigner, Wish, sign

_INVOICES = [f"S-{n}" for n in range(60)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with made_cluster(tmp_path_factory.mktemp("cluster")) as made:
        yield made


def two_servers(cluster):
    """Two servers, and where each of them listens."""
    servers = []
    for _ in range(2):
        process = cluster.serve()
        servers.append((process, cluster.said["address"]))
    return servers


class Agent:
    """An agent whose requests go to the servers in turn, and past one that is not there."""

    def __init__(self, http, token, addresses):
        self.http = http
        self.addresses = addresses
        self.headers = {"authorization": f"Bearer {token}"}
        self.sent = 0

    async def pay(self, invoice, *, source="erp", seconds=0, key=""):
        """Pay through whichever server is next; one that does not answer is passed by, as a balancer does it."""
        for _ in self.addresses:
            self.sent += 1
            address = self.addresses[self.sent % len(self.addresses)]
            headers = {**self.headers, **({"idempotency-key": key} if key else {})}
            try:
                return await self.http.post(
                    f"{address}/agent/v1/tools/{source}__pay",
                    json={"invoice": invoice, "seconds": seconds},
                    headers=headers,
                )
            except httpx.TransportError:
                continue
        raise AssertionError("no server answers")


@asynccontextmanager
async def an_agent(plane, addresses, invoices=_INVOICES):
    by = current_principal(plane)
    session = await plane.sessions.open("outside", by, inputs={"invoices": invoices})
    issued = await plane.tokens.issue("outside", by.id, by, Wish(mission=session.mission, seconds=900))
    async with httpx.AsyncClient(timeout=BOUND_SECONDS) as http:
        yield Agent(http, issued["token"], addresses), session.mission


def test_an_agent_whose_calls_alternate_between_two_servers_pays_each_invoice_once(cluster):
    async def story(plane):
        servers = two_servers(cluster)
        cluster.worker()
        async with an_agent(plane, [address for _, address in servers]) as (agent, mission):
            for invoice in _INVOICES[:10]:
                answer = await agent.pay(invoice)
                assert answer.status_code == 200, answer.text
            at_once = await asyncio.gather(*(agent.pay(invoice) for invoice in _INVOICES[10:26]))
            assert [answer.status_code for answer in at_once] == [200] * 16, [one.text for one in at_once]

        assert sorted(cluster.payments()) == sorted(_INVOICES[:26])
        permits = await plane.core.store.read_prefix(f"step/{mission}/")
        assert len({one.payload["by"] for one in permits if one.kind == "call.permitted"}) == 2
        assert (await plane.ledger.verify())["ok"]

    told(cluster, story)


@pytest.mark.parametrize("source", ["erp", "bare"])
def test_an_agent_goes_on_at_the_other_server_after_one_was_killed_in_the_middle_of_a_call(cluster, source):
    async def story(plane):
        (first, killed), (_, lives) = two_servers(cluster)
        invoices = _INVOICES[30:33] if source == "erp" else _INVOICES[33:36]
        before = cluster.payments()
        async with an_agent(plane, [killed, lives]) as (agent, mission):
            for invoice in invoices[:2]:
                assert (await agent.pay(invoice, source=source)).status_code == 200
            only = Agent(agent.http, agent.headers["authorization"].removeprefix("Bearer "), [killed])
            under_way = asyncio.create_task(only.pay(invoices[2], source=source, seconds=2, key="third"))
            while len(await calls(plane, mission, "call.permitted")) < 3:
                await asyncio.sleep(0.05)
            cluster.kill(first)
            with pytest.raises(AssertionError):
                await under_way
            answer = await agent.pay(invoices[2], source=source, seconds=2, key="third")

        if source == "erp":
            assert answer.status_code == 200, answer.text
        else:
            assert answer.json()["rule"] == "effect_uncertain", answer.text
        paid = cluster.payments()[len(before) :]
        assert sorted(set(paid)) in (sorted(invoices), sorted(invoices[:2]))
        assert len(paid) == len(set(paid))
        assert (await plane.ledger.verify())["ok"]

    told(cluster, story)


async def calls(plane, mission, kind):
    return [one for one in await plane.core.store.read_prefix(f"step/{mission}/") if one.kind == kind]


def test_a_token_without_a_mission_has_one_session_at_all_servers(cluster):
    async def story(plane):
        servers = two_servers(cluster)
        by = current_principal(plane)
        issued = await plane.tokens.issue("outside", by.id, by, Wish(seconds=900))
        addresses = [address for _, address in servers]
        async with httpx.AsyncClient(timeout=BOUND_SECONDS) as http:
            agent = Agent(http, issued["token"], addresses)
            answers = await asyncio.gather(*(agent.pay("nothing that was given") for _ in range(6)))
        assert {answer.json()["code"] for answer in answers} == {"approval_pending"}

        opened = [value for _, value in await plane.core.store.records("own-session")]
        assert len(opened) == 1
        assert await plane.approvals.all(by, mission=opened[0]["mission"])

    told(cluster, story)


def test_a_client_that_shook_hands_with_one_server_is_known_to_the_other(cluster):
    async def story(plane):
        (_, one), (_, two) = two_servers(cluster)
        async with an_agent(plane, [one, two]) as (agent, _):
            head = {**agent.headers, "accept": "application/json, text/event-stream"}

            def post(address, message, **more):
                return agent.http.post(f"{address}/mcp", json={"jsonrpc": "2.0", **message}, headers={**head, **more})

            hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
            shaken = await post(one, {"id": 1, "method": "initialize", "params": hello})
            session = {"mcp-session-id": shaken.headers["mcp-session-id"]}
            for address in (two, one, two):
                listed = await post(address, {"id": 2, "method": "tools/list"}, **session)
                assert {tool["name"] for tool in listed.json()["result"]["tools"]} == {
                    "erp__pay",
                    "bare__pay",
                    "till__pay",
                }
            forged = {"mcp-session-id": session["mcp-session-id"][:-1] + "x"}
            assert (await post(two, {"id": 3, "method": "tools/list"}, **forged)).status_code == 404

    told(cluster, story)


def test_a_signed_request_that_one_server_took_is_taken_by_no_other(cluster):
    async def story(plane):
        addresses = [address for _, address in two_servers(cluster)]
        by, signer = current_principal(plane), RequestSigner.generate()
        wish = Wish(seconds=900, confirmed=signer.public)
        bearer = f"Bearer {(await plane.tokens.issue('outside', by.id, by, wish))['token']}"
        path, body = "/agent/v1/tools/erp__pay", b'{"invoice": "nothing that was given", "seconds": 0}'

        def signed(nonce):
            request = Request("POST", "localhost", path, "", body)
            return {**sign(request, bearer, signer, created=int(time.time()), nonce=nonce), "host": "localhost"}

        async with httpx.AsyncClient(timeout=BOUND_SECONDS) as http:
            codes = []
            for headers in (signed("n" * 22), signed("m" * 22)):
                for address in (*addresses, *addresses):
                    answer = await http.post(f"{address}{path}", content=body, headers=headers)
                    codes.append(answer.json()["code"])
                addresses.reverse()

        assert codes == ["approval_pending", "signature_replayed", "signature_replayed", "signature_replayed"] * 2

    told(cluster, story)


def test_calls_that_may_not_be_made_at_once_are_not_through_two_servers_and_go_on_when_one_is_killed(cluster):
    async def story(plane):
        (first, one), (_, two) = two_servers(cluster)
        invoices = [f"C-{n}" for n in range(8)]
        async with an_agent(plane, [one, two], invoices) as (agent, _):
            answers = await asyncio.gather(*(agent.pay(one, source="till", seconds=0.3) for one in invoices[:6]))
            assert [answer.status_code for answer in answers] == [200] * 6, [answer.text for answer in answers]
            with cluster.erp() as erp:
                query = "SELECT made_at FROM payments WHERE invoice LIKE 'C-%' ORDER BY made_at"
                began = [at.timestamp() for (at,) in erp.execute(query).fetchall()]
            assert all(after - before >= 0.3 for before, after in pairwise(began))

            only = Agent(agent.http, agent.headers["authorization"].removeprefix("Bearer "), [one])
            under_way = asyncio.create_task(only.pay(invoices[6], source="till", seconds=60))
            while len(await plane.core.store.records("places")) < 1:
                await asyncio.sleep(0.05)
            cluster.kill(first)
            with pytest.raises(AssertionError):
                await under_way
            answer = await agent.pay(invoices[7], source="till")
            assert answer.status_code == 200, answer.text

    told(cluster, story)


class Receiver:
    """A webhook of others."""

    def __init__(self):
        self.got = []

    async def __call__(self, scope, receive, send):
        request = Request_(scope, receive)
        told = json.loads(await request.body())
        self.got.append((told["mission"], request.headers["webhook-id"]))
        await Response(status_code=200)(scope, receive, send)


_SUBSCRIPTION = """\
apiVersion: remit/v1
kind: Subscription
name: others
events: [mission.submitted]
to: {webhook: {url: "%s/events", secret: "file:hook.secret", network: {allow: [127.0.0.1]}}}
"""


def test_one_server_tells_a_subscription_and_another_goes_on_when_it_is_killed(cluster):
    async def story(plane):
        by, receiver = current_principal(plane), Receiver()
        (cluster.home / "hook.secret").write_text("whsec_" + "QUJD" * 8)

        async def submit(number):
            return [
                await plane.missions.submit("erp-pay", {"invoice": f"T-{n}", "seconds": 0}, by) for n in range(number)
            ]

        async def told(missions):
            return all(any(one == got for got, _ in receiver.got) for one in missions)

        async with listening(receiver) as address:
            await plane.resources.apply([("s.yaml", _SUBSCRIPTION % address.url)], by)
            first = cluster.serve()

            async def held():
                return await plane.core.store.record("subscription", "others") is not None

            await until(held)
            cluster.serve()
            before = await submit(5)
            await until(lambda: told(before))
            cluster.kill(first)
            after = await submit(5)
            await until(lambda: told(after))

        assert [one for one, _ in receiver.got] == [*before, *after]
        assert len(set(receiver.got)) == len(receiver.got)

    told(cluster, story)


def test_what_is_revoked_is_refused_by_every_server(cluster):
    async def story(plane):
        addresses = [address for _, address in two_servers(cluster)]
        by = current_principal(plane)
        async with an_agent(plane, addresses) as (agent, _):
            assert [(await agent.pay(_INVOICES[n])).status_code for n in (40, 41)] == [200, 200]
            await plane.tokens.revoke("agent/outside", by)

            async def refused():
                answers = [await agent.pay(_INVOICES[42]) for _ in addresses]
                return [answer.status_code for answer in answers] == [401, 401]

            await until(refused)

    told(cluster, story)
