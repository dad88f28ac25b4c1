"""A door beside an agent goes by what its control plane pushes, spends what it was lent, and sends its record on."""

import asyncio
import json
from dataclasses import replace

import httpx
import pytest
from tests.control_plane.beside import AGENT, CLOSED, a_control_plane, a_session, a_sidecar, enrolled, send_all
from tests.control_plane.builders import me, opened, run

from remit.bootstrap import create_home
from remit.config import Settings
from remit.errors import (
    BudgetExhausted,
    BundleRefused,
    ControlUnreachable,
    Halted,
    InvalidInput,
    LeaseRefused,
    NoPolicy,
    PersonNeeded,
    PoliciesPushed,
    PolicyDenied,
    PolicyStale,
    RecordBehind,
    RecordRefused,
    RightsExceeded,
    SidecarUnknown,
)
from remit.ledger import Commit, PutRecord
from remit.ledger.verify import verify_export
from remit.sidecars import Moment, Told

VENDOR = ("acme__vendor", {"name": "Acme Ltd"})
USD = 1_000_000


def story(tmp_path, tell, **control):
    """Tell it of one control plane and one sidecar."""

    async def told():
        async with a_control_plane(tmp_path / "control", **control) as (plane, address):
            token = await enrolled(plane)
            async with a_sidecar(tmp_path / "beside", address, token) as (beside, companion):
                await tell(plane, beside, companion)

    run(told())


def test_a_call_is_decided_made_and_recorded_beside_the_agent(tmp_path):
    async def tell(plane, beside, companion):
        session = await a_session(beside)
        answer = await session.call(*VENDOR)
        assert answer.content == {"id": "V-1", "name": "Acme Ltd"}
        assert not await plane.core.store.read_prefix("step/")

        await send_all(companion)
        (one,) = await plane.sidecars.all(me(plane))
        shown = await plane.sidecar_records.show(one["id"], me(plane), mission=session.mission)
        assert [entry["kind"] for entry in shown][-2:] == ["call.permitted", "call.done"]
        assert (await plane.sidecar_records.verify(one["id"], me(plane)))["ok"]
        why = await plane.explain.why(f"{session.mission}/session", me(plane))
        assert [call["tool"] for call in why["calls"]] == ["acme__vendor"]
        assert why["sidecar"] == one["id"]

    story(tmp_path, tell)


def test_a_policy_that_changes_holds_from_the_next_word_on_and_keeps_its_number(tmp_path):
    async def tell(plane, beside, companion):
        session = await a_session(beside)
        await session.call(*VENDOR)
        first = companion.beside.known.serial
        waits = asyncio.create_task(companion.beside.ask())
        await plane.resources.apply([("policy.yaml", CLOSED)], me(plane))
        assert await waits
        assert companion.beside.known.serial == first + 1
        with pytest.raises((NoPolicy, PolicyDenied)):
            await session.call("acme__vendor", {"name": "Other"})
        assert await companion.beside.ask(wait=False)
        assert companion.beside.known.serial == first + 1

    story(tmp_path, tell)


def test_a_halt_and_a_revocation_reach_the_sidecar(tmp_path):
    async def tell(plane, beside, companion):
        session = await a_session(beside)
        waits = asyncio.create_task(companion.beside.ask())
        await plane.halts.set("agent/clerk", "for a look", me(plane))
        assert await waits
        with pytest.raises(Halted):
            await session.call(*VENDOR)
        await plane.halts.lift("agent/clerk", me(plane))
        await plane.tokens.revoke("agent/clerk", me(plane))
        assert await companion.beside.ask(wait=False)
        await session.call(*VENDOR)
        assert beside.core.authenticator.view.revocations.since_us.keys() == {"agent/clerk"}

    story(tmp_path, tell)


def test_a_halt_that_was_set_beside_the_agent_is_lifted_by_nothing_that_is_pushed(tmp_path):
    async def tell(plane, beside, companion):
        session = await a_session(beside)
        await beside.halts.set("tool/acme__vendor", "looks odd from here", me(plane))
        await plane.resources.apply([("policy.yaml", CLOSED + "description: another\n")], me(plane))
        assert await companion.beside.ask(wait=False)
        with pytest.raises(Halted):
            await session.call(*VENDOR)
        assert [halt["scope"] for halt in await beside.halts.all()] == ["tool/acme__vendor"]

    story(tmp_path, tell)


def test_someone_who_has_left_is_served_beside_no_agent_any_more(tmp_path):
    async def tell(plane, beside, companion):
        session = await a_session(beside)
        other = "apiVersion: remit/v1\nkind: Principal\nname: chief\nroles: [owner]\n"
        gone = f"apiVersion: remit/v1\nkind: Principal\nname: {me(plane).id}\nroles: [owner]\nactive: false\n"
        await plane.resources.apply([("chief.yaml", other), ("gone.yaml", gone)], me(plane))
        assert await companion.beside.ask(wait=False)
        with pytest.raises(RightsExceeded):
            await session.call(*VENDOR)

    story(tmp_path, tell)


def test_what_concerns_other_agents_alone_is_not_pushed(tmp_path):
    async def tell(plane, _beside, companion):
        other = AGENT.replace("clerk", "thinker").replace("acme__*", "vault__*")
        hidden = "apiVersion: remit/v1\nkind: Policy\nname: thinkers\nagents: [thinker]\n"
        source = "apiVersion: remit/v1\nkind: ToolSource\nname: vault\npython: {module: tests.control_plane.acme}\n"
        await plane.resources.apply([("a.yaml", other), ("b.yaml", hidden), ("c.yaml", source)], me(plane))
        serial = companion.beside.known.serial
        assert await companion.beside.ask(wait=False)

        assert companion.beside.known.serial == serial
        told = json.dumps(companion.beside.bundle)
        assert "thinker" not in told
        assert "vault" not in told

    story(tmp_path, tell)


def test_nothing_goes_on_by_a_policy_that_is_too_old_and_the_refusal_is_on_record(tmp_path):
    async def tell(_plane, beside, companion):
        session = await a_session(beside)
        companion.beside.freshness.asked = replace(companion.beside.now(), steady=-400.0, at_us=0)
        with pytest.raises(PolicyStale, match="the limit is 300 s"):
            await session.call(*VENDOR)
        refused = [e.payload for e in await beside.core.store.read_prefix("step/") if e.kind == "call.refused"]
        assert [payload["code"] for payload in refused] == ["policy_stale"]

        assert await companion.beside.ask(wait=False)
        await session.call(*VENDOR)

    story(tmp_path, tell)


def test_a_restart_goes_on_by_the_policy_that_it_had_until_that_is_too_old(tmp_path):
    async def told():
        async with a_control_plane(tmp_path / "control") as (plane, address):
            token = await enrolled(plane)
            async with a_sidecar(tmp_path / "beside", address, token) as (beside, _):
                session = await a_session(beside)
                await session.call(*VENDOR)
        async with a_sidecar(tmp_path / "beside", address, token) as (beside, companion):
            again = await beside.sessions.of(session.mission)
            await again.call("acme__vendor", {"name": "by what was lent before"})
            kept = companion.beside.freshness.asked
            companion.beside.freshness.asked = Moment(kept.at_us - 301 * USD, None)
            with pytest.raises(PolicyStale, match="not heard"):
                await again.call(*VENDOR)

    run(told())


def test_a_sidecar_that_never_heard_its_control_plane_does_not_begin(tmp_path):
    async def told():
        async with a_control_plane(tmp_path / "control") as (plane, address):
            token = await enrolled(plane)
        with pytest.raises(ControlUnreachable):
            async with a_sidecar(tmp_path / "beside", address, token):
                pass

    run(told())


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda pushed: replace(pushed, head=pushed.head.replace("serial 2", "serial 3")), "signature"),
        (lambda pushed: replace(pushed, body=pushed.body.replace("acme__pay", "acme__*")), "content"),
        (lambda pushed: replace(pushed, body=None), "content"),
    ],
    ids=["head", "content", "no_content"],
)
def test_a_bundle_that_was_changed_on_the_way_is_not_taken_and_that_is_on_record(tmp_path, change, rule):
    async def tell(plane, beside, companion):
        link, session = companion.beside.link, await a_session(beside)

        class Changing:
            async def bundle(self, **asked):
                return change(await link.bundle(**asked))

        await plane.resources.apply([("policy.yaml", CLOSED)], me(plane))
        companion.beside.link = Changing()
        assert not await companion.beside.ask(wait=False)
        assert not await companion.beside.ask(wait=False)
        companion.beside.link = link
        assert companion.beside.known.serial == 1
        told = [e.payload for e in await beside.core.store.read_prefix("tenant/") if e.kind == "bundle.refused"]
        assert [payload["rule"] for payload in told] == [rule]
        await session.call(*VENDOR)  # what was in force before holds until it is too old

    story(tmp_path, tell)


def test_an_older_bundle_is_not_taken_again_though_it_was_signed(tmp_path):
    async def tell(plane, _beside, companion):
        heard = []

        class Listening:
            def __init__(self, link):
                self.link = link

            async def bundle(self, **asked):
                heard.append(await self.link.bundle(**asked))
                return heard[-1]

        link = companion.beside.link
        companion.beside.link = Listening(link)
        await plane.resources.apply([("policy.yaml", CLOSED)], me(plane))
        assert await companion.beside.ask(wait=False)

        class Replaying:
            async def bundle(self, **_asked):
                return heard[0]

        companion.beside.link = Replaying()
        assert not await companion.beside.ask(wait=False)
        assert "heard before" in companion.beside.freshness.trouble
        # A control plane that forgot, and signs an older number for this very question.
        await plane.core.store.commit(_forget(companion))
        companion.beside.link = link
        assert not await companion.beside.ask(wait=False)
        assert "in force" in companion.beside.freshness.trouble

    story(tmp_path, tell)


def _forget(companion):
    digest = companion.beside.known.digest
    return Commit((), (PutRecord("sidecar-bundle", companion.beside.enrolment.id, {"serial": 1, "digest": digest}),))


def test_the_home_is_one_sidecars_and_of_one_key(tmp_path):
    async def told():
        async with a_control_plane(tmp_path / "control") as (plane, address):
            first, second = await enrolled(plane), await enrolled(plane)
            async with a_sidecar(tmp_path / "beside", address, first):
                pass
            with pytest.raises(BundleRefused):
                async with a_sidecar(tmp_path / "beside", address, second):
                    pass
            with pytest.raises(InvalidInput, match="home of its own"):
                async with a_sidecar(tmp_path / "control", address, second):
                    pass
            with pytest.raises(InvalidInput, match="in the clear"):
                async with a_sidecar(tmp_path / "third", "http://remit.example", second):
                    pass

    run(told())


def test_a_sidecars_home_is_no_way_around_its_sidecar(tmp_path):
    async def told():
        async with a_control_plane(tmp_path / "control") as (plane, address):
            async with a_sidecar(tmp_path / "beside", address, await enrolled(plane)):
                pass
            async with opened(tmp_path / "beside") as beside:
                await beside.core.keep_lease()
                session = await a_session(beside)
                with pytest.raises(PolicyStale, match="is a sidecar's"):
                    await session.call(*VENDOR)

    run(told())


def test_nothing_is_applied_in_a_sidecars_home(tmp_path):
    async def tell(plane, beside, _companion):
        with pytest.raises(PoliciesPushed):
            await beside.resources.apply([("policy.yaml", CLOSED)], me(plane))

    story(tmp_path, tell)


def test_a_call_that_needs_a_person_is_refused_and_says_so(tmp_path):
    async def tell(plane, beside, companion):
        asks = CLOSED + "require_approval_if_over: 100\n"
        await plane.resources.apply([("policy.yaml", asks.replace("acme__pay", "*"))], me(plane))
        assert await companion.beside.ask(wait=False)
        session = await a_session(beside)
        with pytest.raises(PersonNeeded):
            await session.call("acme__pay", {"amount": "500.00", "payee": "V-1"})
        assert not await beside.approvals.all(me(plane))

    story(tmp_path, tell)


def test_two_sidecars_on_one_budget_never_pass_it_together(tmp_path):
    async def told():
        async with a_control_plane(tmp_path / "control", budget="3.00") as (plane, address):
            tokens = [await enrolled(plane, slice_usd_micros=USD) for _ in range(2)]
            async with (
                a_sidecar(tmp_path / "one", address, tokens[0]) as (one, first),
                a_sidecar(tmp_path / "two", address, tokens[1]) as (two, second),
            ):
                sessions = [await a_session(one), await a_session(two)]
                calls = [s.call("acme__vendor", {"name": str(n)}) for n in range(12) for s in sessions]
                answers = await asyncio.gather(*calls, return_exceptions=True)
                refused = [a for a in answers if isinstance(a, BudgetExhausted)]
                made = [a for a in answers if not isinstance(a, BaseException)]
                assert len(made) + len(refused) == len(answers) == 24
                spent = 300_000 * len(made)
                assert 0 < spent <= 3 * USD
                held = await plane.core.store.balance("tenant/default")
                assert held.used + held.held <= held.limit == 3 * USD
                # What lies idle in one is given back, and the other may spend it.
                for companion in (first, second):
                    await companion.leasing.give_back()
                tenant = await plane.core.store.balance("tenant/default")
                assert (tenant.used, tenant.held) == (spent, 0)
                while spent + 300_000 <= 3 * USD:
                    await sessions[0].call("acme__vendor", {"name": f"more {spent}"})
                    spent += 300_000
                with pytest.raises(BudgetExhausted):
                    await sessions[1].call("acme__vendor", {"name": "one too many"})

    run(told())


def test_an_answer_about_money_that_is_lost_grants_nothing_twice(tmp_path):
    async def tell(plane, _beside, companion):
        link = companion.beside.link
        lost = await link.account(Told(0, 0, 0, USD))
        again = await link.account(Told(0, 0, 0, USD))
        assert again.granted == lost.granted == USD
        assert (await plane.core.store.balance("tenant/default")).held == USD
        with pytest.raises(LeaseRefused):
            await link.account(Told(USD, USD + 1, 0))

    story(tmp_path, tell)


def test_a_bound_of_its_own_holds_whatever_the_tenant_has(tmp_path):
    async def told():
        async with a_control_plane(tmp_path / "control") as (plane, address):
            token = await enrolled(plane, budget_usd_micros=700_000)
            async with a_sidecar(tmp_path / "beside", address, token) as (beside, _):
                session = await a_session(beside)
                for name in ("a", "b"):
                    await session.call("acme__vendor", {"name": name})
                with pytest.raises(BudgetExhausted):
                    await session.call("acme__vendor", {"name": "c"})

    run(told())


def test_what_a_removed_sidecar_held_counts_as_spent_and_it_stands_still(tmp_path):
    async def tell(plane, beside, companion):
        session = await a_session(beside)
        await session.call(*VENDOR)
        (one,) = await plane.sidecars.all(me(plane))
        waits = asyncio.create_task(companion.beside.ask())
        gone = await plane.sidecars.remove(one["id"], me(plane))
        assert gone["written_off_usd_micros"] == one["held_usd_micros"] > 0
        tenant = await plane.core.store.balance("tenant/default")
        assert (tenant.used, tenant.held) == (one["held_usd_micros"], 0)

        assert not await waits
        with pytest.raises(PolicyStale) as no:
            await session.call(*VENDOR)
        assert no.value.rule == "sidecar_unknown"
        with pytest.raises(SidecarUnknown):
            await companion.leasing.give_back()

    story(tmp_path, tell)


def test_the_record_is_kept_while_the_control_plane_is_away_and_arrives_once(tmp_path):
    async def told():
        async with a_control_plane(tmp_path / "control") as (plane, address):
            token = await enrolled(plane)
            async with a_sidecar(tmp_path / "beside", address, token) as (beside, companion):
                link, session = companion.beside.link, await a_session(beside)
                await session.call("acme__vendor", {"name": "first"})

                class Deaf:
                    """Hears what is sent, and its answer is lost."""

                    join = link.join

                    async def send(self, rows, seal, *, after):
                        await link.send(rows, seal, after=after)
                        raise ControlUnreachable

                companion.beside.link = Deaf()
                with pytest.raises(ControlUnreachable):
                    await companion.sending.send()
                await session.call("acme__vendor", {"name": "second"})
                companion.beside.link = link
                await send_all(companion)

                (one,) = await plane.sidecars.all(me(plane))
                kept = await plane.sidecar_records.show(one["id"], me(plane), limit=10_000)
                assert [entry["hash"] for entry in kept] == [h for _, _, h in await beside.core.store.rows()]
                assert companion.sending.waiting == 0
                lines = await plane.sidecar_records.export(one["id"], me(plane))
                assert verify_export(lines, vkey=beside.core.signer.public.vkey).ok
        async with opened(tmp_path / "control") as plane:
            assert (await plane.ledger.verify())["ok"]

    run(told())


def test_no_more_is_kept_than_may_wait_and_refusals_add_nothing(tmp_path):
    async def told():
        async with a_control_plane(tmp_path / "control") as (plane, address):
            token = await enrolled(plane)
            async with a_sidecar(tmp_path / "beside", address, token, record_max=30) as (beside, companion):
                session = await a_session(beside)
                number = 0
                while companion.sending.waiting < 30:
                    number += 1
                    await session.call("acme__vendor", {"name": str(number)})
                full = companion.sending.waiting
                for number in range(5):
                    with pytest.raises(RecordBehind, match="the limit is 30"):
                        await session.call("acme__vendor", {"name": f"again {number}"})
                assert companion.sending.waiting == full
                await send_all(companion)
                await session.call("acme__vendor", {"name": "at last"})

    run(told())


def test_a_record_that_was_changed_or_goes_on_elsewhere_is_not_taken(tmp_path):
    async def tell(plane, beside, companion):
        session = await a_session(beside)
        await send_all(companion)
        size = companion.sending.sent.size
        await session.call(*VENDOR)
        rows = await beside.core.store.rows(after_idx=size)
        tree = companion.sending.sent.extended(bytes.fromhex(digest) for _, _, digest in rows)
        seal = beside.core.signer.seal(tree.size, tree.root).note
        link = companion.beside.link
        changed = [
            (idx, canonical.replace(b"acme__vendor", b"acme__nobody"), digest) for idx, canonical, digest in rows
        ]
        for bad, after in ((changed, size), (rows[1:], size), (rows, size - 1), (rows[1:], size + 1)):
            with pytest.raises(RecordRefused):
                await link.send(list(bad), seal, after=after)
        await send_all(companion)
        assert companion.sending.waiting == 0
        with pytest.raises(RecordRefused):
            await link.join(plane.ledger.key.vkey)

    story(tmp_path, tell)


def test_a_home_that_was_put_back_from_a_copy_refuses_all_calls(tmp_path):
    async def tell(_plane, beside, companion):
        session = await a_session(beside)
        await send_all(companion)
        ahead = companion.sending.sent.size + 1000

        link = companion.beside.link

        class Ahead:
            async def join(self, vkey):
                return replace(await link.join(vkey), size=ahead)

        companion.sending._joined = False
        companion.beside.link = Ahead()
        await companion.sending.send()
        companion.beside.link = link
        with pytest.raises(RecordBehind, match="does not take it"):
            await session.call(*VENDOR)

    story(tmp_path, tell)


def test_whatever_a_sidecar_sends_is_answered_in_good_form(tmp_path):
    async def told():
        async with a_control_plane(tmp_path / "control") as (plane, address):
            token = json.loads(await enrolled(plane))["token"]
            bodies = [b"", b"{", b"[]", b"null", b'{"nonce": 1}', b'{"after": -1, "seal": "", "lines": "x"}']
            bodies += [
                b'{"after": 0, "seal": "\\ud800", "lines": "{}\\n"}',
                b'{"vkey": "no key"}',
                b"\xff\xfe",
                b"[" * 5000,
            ]
            bodies += [
                b'{"granted": 0, "used": 0, "returned": 0, "ask": 1e400}',
                b'{"after": 0, "seal": "", "lines": "{}\\n"}',
            ]
            async with httpx.AsyncClient(base_url=f"{address}/sidecar/v1/", trust_env=False) as http:
                for what in ("join", "bundle", "account", "record", "", "nothing"):
                    for body in bodies:
                        answer = await http.post(what, content=body, headers={"authorization": f"Bearer {token}"})
                        assert 400 <= answer.status_code < 500, (what, body, answer.text)
                        assert answer.json()["hint"]
                for header in ({}, {"authorization": "Bearer x"}, {"authorization": f"Bearer {token}x"}):
                    refused = await http.post("bundle", content=b"{}", headers=header)
                    assert (refused.status_code, refused.json()["code"]) == (401, "sidecar_unknown")

    run(told())


def test_who_may_enrol_and_for_whom(tmp_path):
    async def told():
        await create_home(Settings(tmp_path / "control"))
        async with opened(tmp_path / "control") as plane:
            people = "apiVersion: remit/v1\nkind: Principal\nname: anna\nroles: [operator]\n"
            await plane.resources.apply([("agent.yaml", AGENT), ("people.yaml", people)], me(plane))
            anna = plane.core.door.controls.registry.principal("anna")
            with pytest.raises(RightsExceeded):
                await plane.sidecars.enrol("pod", "clerk", "anna", anna)
            enrolled = await plane.sidecars.enrol("pod", "clerk", "anna", me(plane))
            kept = json.dumps(await plane.core.store.records("sidecar"))
            assert enrolled["token"].partition(".")[2] not in kept
            for wrong in (enrolled["token"] + "x", "", "sdc-0.x", enrolled["id"]):
                with pytest.raises(SidecarUnknown):
                    await plane.sidecars.known(wrong)

    run(told())
