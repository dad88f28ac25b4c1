"""Agents' tokens over one real home: who may issue, what is bounded, how they end."""

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from shutil import copytree

import pytest
from tests.control_plane.builders import AGENT, BELOW, a_home, me, opened, run

from remit.adapters.system import SystemClock
from remit.bootstrap import open_home
from remit.config import Settings
from remit.control_plane import closing
from remit.errors import (
    DelegationWidened,
    Halted,
    InvalidInput,
    MissionEnded,
    NotFound,
    RightsExceeded,
    TokenRevoked,
    TokenUnknownKey,
)
from remit.identity import RequestSigner, Wish

PEOPLE = """\
apiVersion: remit/v1
kind: Principal
name: olga
roles: [operator]
tools: ["acme__vendor"]
---
apiVersion: remit/v1
kind: Principal
name: audrey
roles: [auditor]
---
apiVersion: remit/v1
kind: Principal
name: gone
roles: [operator]
active: false
"""


class MovedClock:
    """The machine's time, moved on by what a test says."""

    def __init__(self):
        self.ahead = timedelta()

    def now(self):
        return SystemClock().now() + self.ahead

    async def sleep(self, seconds):
        await SystemClock().sleep(seconds)


@pytest.fixture(scope="module", autouse=True)
def _company(tmp_path_factory):
    """A home with the company in it, made once and copied for each test."""

    async def make():
        folder = tmp_path_factory.mktemp("company")
        async with a_home(folder) as plane:
            await plane.resources.apply([("people.yaml", PEOPLE)], me(plane))
        return folder / "home"

    _MADE["home"] = run(make())


_MADE = {}


@asynccontextmanager
async def the_company(tmp_path, clock=None):
    home = copytree(_MADE["home"], tmp_path / "home")
    async with closing(await open_home(Settings(home), clock=clock)) as plane:
        yield plane


def person(plane, name):
    return plane.core.door.controls.registry.principals[name]


def taken(plane, issued):
    core = plane.core
    return core.authenticator.identify(issued["token"], core.now_us)


async def kinds_of(plane):
    return [entry.kind for entry in await plane.core.store.read("tenant/default")]


# --- issuing


def test_a_person_lets_an_agent_act_for_them_within_what_it_was_granted(tmp_path):
    async def story():
        async with the_company(tmp_path) as plane:
            issued = await plane.tokens.issue("planner", "olga", person(plane, "olga"))

            identity = taken(plane, issued)
            assert identity.chain == ("principal:olga", "agent:planner@1.0.0")
            assert (identity.skills, identity.tools) == (("plan",), ("acme__*",))
            assert (identity.mission, identity.budget_usd_micros) == (None, None)
            life = datetime.fromisoformat(issued["expires_at"]) - datetime.now(UTC)
            assert timedelta(minutes=9) < life <= timedelta(minutes=10)

    run(story())


def test_asi03_on_behalf_of_another_only_who_has_the_right_issues(tmp_path):
    async def story():
        async with the_company(tmp_path) as plane:
            owner = me(plane)
            assert taken(plane, await plane.tokens.issue("planner", "olga", owner)).principal == "olga"
            with pytest.raises(RightsExceeded, match="issue agents' tokens for others"):
                await plane.tokens.issue("planner", owner.id, person(plane, "olga"))

    run(story())


def test_asi03_nobody_acts_for_someone_who_has_left_or_may_not_ask_for_work(tmp_path):
    async def story():
        async with the_company(tmp_path) as plane:
            for name, rule in (("gone", "principal_inactive"), ("nobody", "principal_unknown")):
                with pytest.raises(RightsExceeded) as refused:
                    await plane.tokens.issue("planner", name, me(plane))
                assert refused.value.rule == rule
            with pytest.raises(RightsExceeded, match="submit missions"):
                await plane.tokens.issue("planner", "audrey", person(plane, "audrey"))

    run(story())


def test_asi03_a_token_grants_nothing_beyond_the_registry(tmp_path):
    async def story():
        async with the_company(tmp_path) as plane:
            for wish in (Wish(tools=("*",)), Wish(tools=("bank__pay",)), Wish(skills=("fly",))):
                with pytest.raises(DelegationWidened):
                    await plane.tokens.issue("planner", "olga", me(plane), wish)
            narrow = Wish(tools=("acme__vendor",), skills=("wait",), budget_usd_micros=7)
            identity = taken(plane, await plane.tokens.issue("planner", "olga", me(plane), narrow))
            assert (identity.tools, identity.skills, identity.budget_usd_micros) == (("acme__vendor",), ("wait",), 7)

    run(story())


@pytest.mark.parametrize("seconds", [0, 299, 901, 100_000])
def test_a_token_lives_from_five_to_fifteen_minutes(tmp_path, seconds):
    async def story():
        async with the_company(tmp_path) as plane:
            with pytest.raises(InvalidInput) as refused:
                await plane.tokens.issue("planner", "olga", me(plane), Wish(seconds=seconds))
            assert refused.value.rule == "token_life"

    run(story())


def test_a_mission_is_named_only_where_it_is_that_persons_and_goes_on(tmp_path):
    async def story():
        async with the_company(tmp_path) as plane:
            mission = await plane.missions.submit("pay", BELOW, me(plane))
            identity = taken(plane, await plane.tokens.issue("planner", me(plane).id, me(plane), Wish(mission=mission)))
            assert identity.chain[1] == f"mission:{mission}"
            with pytest.raises(RightsExceeded) as refused:
                await plane.tokens.issue("planner", "olga", me(plane), Wish(mission=mission))
            assert refused.value.rule == "mission_of_another"
            with pytest.raises(NotFound):
                await plane.tokens.issue("planner", "olga", me(plane), Wish(mission="msn-nope"))
            await plane.missions.drive(mission, me(plane))
            with pytest.raises(MissionEnded):
                await plane.tokens.issue("planner", me(plane).id, me(plane), Wish(mission=mission))

    run(story())


def test_an_agent_that_is_retired_unknown_or_halted_is_given_none(tmp_path):
    async def story():
        async with the_company(tmp_path) as plane:
            issued = await plane.tokens.issue("planner", "olga", me(plane))
            await plane.halts.set("agent/planner", "look", me(plane))
            with pytest.raises(Halted):
                await plane.tokens.issue("planner", "olga", me(plane))
            await plane.halts.lift("agent/planner", me(plane))
            planner = AGENT.split("---", maxsplit=1)[0]
            newer = planner.replace("1.0.0", "2.0.0")
            retired = planner.replace("version: 1.0.0", "version: 1.0.0\nstage: retired")
            await plane.resources.apply([("new.yaml", newer), ("old.yaml", retired)], me(plane))

            with pytest.raises(RightsExceeded) as refused:
                await plane.tokens.issue("planner@1.0.0", "olga", me(plane))
            assert refused.value.rule == "agent_inactive"
            with pytest.raises(RightsExceeded):
                taken(plane, issued)
            with pytest.raises(NotFound):
                await plane.tokens.issue("stranger", "olga", me(plane))

    run(story())


def test_when_a_person_leaves_their_agents_tokens_are_worth_nothing_at_once(tmp_path):
    async def story():
        async with the_company(tmp_path) as plane:
            issued = await plane.tokens.issue("planner", "olga", me(plane))
            assert taken(plane, issued)
            left = PEOPLE.split("---", maxsplit=1)[0] + "active: false\n"
            await plane.resources.apply([("people.yaml", left)], me(plane))

            with pytest.raises(RightsExceeded):
                taken(plane, issued)

    run(story())


def test_the_record_says_who_was_given_leave_and_never_the_token(tmp_path):
    async def story():
        async with the_company(tmp_path) as plane:
            issued = await plane.tokens.issue("planner", "olga", me(plane))
            await plane.tokens.revoke(f"token/{issued['id']}", me(plane), "lost")

            assert (await kinds_of(plane))[-3:] == ["token.rotated", "token.issued", "token.revoked"]
            entry = (await plane.core.store.read("tenant/default"))[-2]
            assert entry.payload["chain"] == ["principal:olga", "agent:planner@1.0.0"]
            assert entry.actor == me(plane).actor
            secret = next((tmp_path / "home" / "keys" / "tokens").iterdir()).read_text()
        stored = b"".join(path.read_bytes() for path in (tmp_path / "home").glob("remit.sqlite*"))
        assert issued["token"].split(".")[2].encode() not in stored
        assert secret.encode() not in stored

    run(story())


# --- passing on


def test_an_agent_passes_a_part_of_its_leave_on_and_takes_it_along_when_it_goes(tmp_path):
    async def story():
        async with the_company(tmp_path) as plane:
            mine = RequestSigner.generate()
            wish = Wish(skills=("plan", "wait"), budget_usd_micros=100, confirmed=mine.public)
            first = await plane.tokens.issue("planner", "olga", me(plane), wish)
            parent = taken(plane, first)
            theirs = Wish(tools=("acme__wait",), budget_usd_micros=50, confirmed=RequestSigner.generate().public)
            second = await plane.tokens.delegate(parent, "waiter", theirs)

            child = taken(plane, second)
            assert child.chain == ("principal:olga", "agent:planner@1.0.0", "agent:waiter@1.0.0")
            assert (child.tools, child.budget_usd_micros, child.skills) == (("acme__wait",), 50, ("wait",))
            assert child.bounded_parents == ((parent.token,) if parent.budget_usd_micros is not None else ())
            shared = await plane.core.store.balance(f"token/{parent.token}")
            assert (shared.limit if shared else None) == parent.budget_usd_micros
            entry = (await plane.core.store.read("tenant/default"))[-1]
            assert (entry.actor, entry.payload["parents"]) == ("agent:planner@1.0.0", [first["id"]])
            with pytest.raises(DelegationWidened):
                await plane.tokens.delegate(child, "planner", replace(theirs, tools=("acme__*",)))

            await plane.tokens.revoke(f"token/{first['id']}", me(plane))
            with pytest.raises(TokenRevoked):
                taken(plane, second)
            with pytest.raises(TokenRevoked):
                await plane.tokens.delegate(parent, "waiter", theirs)

    run(story())


# --- keys


def test_a_new_key_signs_and_the_old_one_verifies_until_its_last_token_has_ended(tmp_path):
    async def story():
        clock = MovedClock()
        async with the_company(tmp_path, clock) as plane:
            old = await plane.tokens.issue("planner", "olga", me(plane), Wish(seconds=900))
            made = await plane.tokens.rotate(me(plane))
            new = await plane.tokens.issue("planner", "olga", me(plane))

            assert made["epoch"] == 2
            assert taken(plane, old).epoch == 1
            assert taken(plane, new).key == made["key"]
            clock.ahead = timedelta(seconds=910)
            forget_verified(plane)
            with pytest.raises(TokenUnknownKey):
                taken(plane, old)

    run(story())


def forget_verified(plane):
    """As a process does that has just begun."""
    view = plane.core.authenticator.view
    plane.core.authenticator.view = replace(view, keys={})
    plane.core.authenticator.view = view


def test_a_key_survives_a_restart_and_a_lost_one_is_replaced(tmp_path):
    async def story():
        async with the_company(tmp_path) as plane:
            issued = await plane.tokens.issue("planner", "olga", me(plane))
        async with opened(tmp_path / "home") as plane:
            assert taken(plane, issued).token == issued["id"]
        for file in (tmp_path / "home" / "keys" / "tokens").iterdir():
            file.unlink()
        async with opened(tmp_path / "home") as plane:
            with pytest.raises(TokenUnknownKey):
                taken(plane, issued)
            assert taken(plane, await plane.tokens.issue("planner", "olga", me(plane))).epoch == 2

    run(story())


def test_a_revoked_key_signs_nothing_more(tmp_path):
    async def story():
        async with the_company(tmp_path) as plane:
            old = await plane.tokens.issue("planner", "olga", me(plane))
            await plane.tokens.revoke(f"key/{taken(plane, old).key}", me(plane), "stolen")

            with pytest.raises(TokenRevoked):
                taken(plane, old)
            assert taken(plane, await plane.tokens.issue("planner", "olga", me(plane))).epoch == 2

    run(story())


def test_two_that_make_the_first_key_at_once_agree_on_one(tmp_path):
    async def story():
        async with the_company(tmp_path) as one, opened(tmp_path / "home") as other:
            first = await one.tokens.issue("planner", "olga", me(one))
            second = await other.tokens.issue("planner", "olga", me(other))

            assert taken(other, first).key == taken(other, second).key
            assert len(list((tmp_path / "home" / "keys" / "tokens").iterdir())) == 1

    run(story())


# --- revoking


@pytest.mark.parametrize("scope", ["token/ID", "agent/planner", "agent/planner@1.0.0", "principal/olga"])
def test_what_is_revoked_is_refused_at_once_and_after_a_restart(tmp_path, scope):
    async def story():
        async with the_company(tmp_path) as plane:
            issued = await plane.tokens.issue("planner", "olga", me(plane))
            named = scope.replace("ID", issued["id"])
            assert taken(plane, issued)
            await plane.tokens.revoke(named, me(plane), "lost")
            with pytest.raises(TokenRevoked):
                taken(plane, issued)
            assert await plane.tokens.all(me(plane)) == []
            (told,) = await plane.tokens.revoked(me(plane))
            assert (told["scope"], told["reason"], told["by"]) == (named, "lost", me(plane).id)
        async with opened(tmp_path / "home") as plane:
            with pytest.raises(TokenRevoked):
                taken(plane, issued)
            assert taken(plane, await plane.tokens.issue("planner", "olga", me(plane)))

    run(story())


def test_who_may_revoke_and_who_sees(tmp_path):
    async def story():
        async with the_company(tmp_path) as plane:
            mine = await plane.tokens.issue("planner", me(plane).id, me(plane))
            audrey = person(plane, "audrey")
            with pytest.raises(RightsExceeded):
                await plane.tokens.revoke(f"token/{mine['id']}", audrey)
            with pytest.raises(RightsExceeded):
                await plane.tokens.rotate(person(plane, "olga"))
            assert [one["id"] for one in await plane.tokens.all(audrey)] == [mine["id"]]
            assert await plane.tokens.all(person(plane, "gone")) == []
            await plane.tokens.revoke("principal/audrey", audrey)

    run(story())


@pytest.mark.parametrize("scope", ["token/tok-none", "agent/none", "principal/none", "key/none"])
def test_what_is_not_there_is_not_revoked(tmp_path, scope):
    async def story():
        async with the_company(tmp_path) as plane:
            with pytest.raises(NotFound):
                await plane.tokens.revoke(scope, me(plane))
            with pytest.raises(InvalidInput):
                await plane.tokens.revoke("everything", me(plane))

    run(story())


def test_what_no_living_token_can_need_is_let_go(tmp_path):
    async def story():
        clock = MovedClock()
        async with the_company(tmp_path, clock) as plane:
            store = plane.core.store
            issued = await plane.tokens.issue("planner", "olga", me(plane))
            await plane.tokens.revoke("principal/olga", me(plane))
            await plane.tokens.rotate(me(plane))
            clock.ahead = timedelta(minutes=16)
            forget_verified(plane)
            with pytest.raises(TokenUnknownKey):
                taken(plane, issued)
            await plane.tokens.issue("planner", "olga", me(plane))

            held = {table: len(await store.records(table)) for table in ("token", "token-key", "token-revoked")}
            assert held == {"token": 1, "token-key": 1, "token-revoked": 0}
            assert len(list((tmp_path / "home" / "keys" / "tokens").iterdir())) == 1
            assert (await kinds_of(plane)).count("token.revoked") == 1

    run(story())
