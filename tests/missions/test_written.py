"""Missions whose steps stand in their workflow: references, conditions, lists, what follows on failure."""

import asyncio

import pytest
from tests.missions.builders import FakeTransport, a_home, a_payment, a_tool, an_agent, run

from remit.errors import AgentFailed, InvalidInput
from remit.gateway import ToolResult
from remit.tools import Origin, Role

PERSON = {"payee": Role("payee", "payee", frozenset({Origin.PERSON}))}
TOOLS = (a_tool("shop__quote"), a_tool("erp__vendor", directory=True), a_payment("bank__pay"))


async def echo(_context, given):
    return dict(given)


async def broken(_context, _given):
    raise AgentFailed("no")


def quoting(price=12, **functions):
    return FakeTransport(quote=lambda **given: {"price": price, **given}, **functions)


async def driven(home, text, **inputs):
    mission = await home.submit_written(text, **inputs)
    return mission, await home.drive(mission)


def test_steps_run_in_the_order_of_their_references_and_values_keep_their_types():
    async def story():
        home = await a_home(*TOOLS, transport=quoting(), echo=echo)

        mission, rest = await driven(
            home,
            """
            name: buy
            steps:
              tell:
                skill: echo
                with:
                  price: ${steps.quote.output.price}
                  text: "It costs ${steps.quote.output.price} for ${inputs.item}, not $${this}."
                  all: {list: [1, "${inputs.lines[1]}"], none: "${steps.quote.output.discount?}"}
                  how: ${steps.quote.status}
              quote:
                tool: shop__quote
                with: {item: "${inputs.item}"}
            """,
            item="pens",
            lines=["a", {"b": True}],
        )

        assert rest.ended
        assert (await home.state(mission)).status == "completed"
        assert await home.output(mission, "tell") == {
            "price": 12,
            "text": "It costs 12 for pens, not ${this}.",
            "all": {"list": [1, {"b": True}], "none": None},
            "how": "succeeded",
        }

    run(story())


def test_a_step_whose_condition_does_not_hold_is_skipped_and_the_rest_goes_on():
    async def story():
        home = await a_home(*TOOLS, transport=quoting(), echo=echo)

        mission, _ = await driven(
            home,
            """
            name: buy
            steps:
              quote: {tool: shop__quote}
              dear: {skill: echo, when: steps.quote.output.price > 100}
              cheap: {skill: echo, when: steps.quote.output.price <= 100 && inputs.now}
              last: {skill: echo, after: [dear, cheap], with: {dear: "${steps.dear.output?}"}}
            """,
            now=True,
        )

        assert await home.statuses(mission) == {
            "cheap": "succeeded", "dear": "skipped", "last": "succeeded", "quote": "succeeded",
        }  # fmt: skip
        assert (await home.step(mission, "dear")).code == "when"
        assert await home.output(mission, "last") == {"dear": None}

    run(story())


@pytest.mark.parametrize(
    ("when", "given", "code"),
    [
        ("steps.quote.output.total > 1", "1", "condition_unclear"),
        ("true", "${steps.quote.output.total}", "reference_empty"),
        ("true", "${inputs.nothing}", "reference_empty"),
    ],
)
def test_what_cannot_be_told_fails_its_step(when, given, code):
    async def story():
        home = await a_home(*TOOLS, transport=quoting(), echo=echo)

        mission, _ = await driven(
            home,
            f"""
            name: buy
            steps:
              quote: {{tool: shop__quote}}
              tell: {{skill: echo, when: "{when}", with: {{total: "{given}"}}, after: [quote]}}
            """,
        )

        assert (await home.step(mission, "tell")).code == code
        state = await home.state(mission)
        assert (state.status, state.code) == ("failed", "step_failed")
        assert state.detail == f"tell ended with {code}."

    run(story())


def test_a_failed_step_rules_out_what_needs_it_and_nothing_else():
    async def story():
        home = await a_home(*TOOLS, echo=echo, broken=broken)

        mission, rest = await driven(
            home,
            """
            name: two
            steps:
              bad: {skill: broken}
              needs: {skill: echo, after: [bad]}
              further: {skill: echo, after: [needs]}
              other: {skill: echo}
            """,
        )

        assert rest.ended
        assert await home.statuses(mission) == {
            "bad": "refused", "further": "skipped", "needs": "skipped", "other": "succeeded",
        }  # fmt: skip
        assert (await home.step(mission, "further")).code == "after_failed"
        assert (await home.state(mission)).status == "failed"

    run(story())


def test_where_a_failure_may_be_everything_goes_on_and_sees_it():
    async def story():
        home = await a_home(*TOOLS, echo=echo, broken=broken)

        mission, _ = await driven(
            home,
            """
            name: two
            steps:
              bad: {skill: broken, on_failure: continue}
              needs: {skill: echo, with: {how: "${steps.bad.status}", code: "${steps.bad.code}"}}
            """,
        )

        assert (await home.state(mission)).status == "completed"
        assert await home.output(mission, "needs") == {"how": "refused", "code": "agent_failed"}

    run(story())


def test_a_person_is_asked_what_now_when_the_attempts_are_used_up():
    async def story(*verdicts):
        tries = []

        async def flaky(_context, _given):
            tries.append(1)
            if len(tries) < 3:
                raise AgentFailed("not yet")
            return "done"

        home = await a_home(*TOOLS, flaky=flaky)
        mission, rest = await driven(home, "name: one\nsteps: {one: {skill: flaky, on_failure: escalate}}")
        for verdict in verdicts:
            assert rest.waiting_for_people == 1
            assert (await home.case())["about"] == "step_failed"
            await home.answer(verdict)
            rest = await home.drive(mission)
        assert rest.ended
        return (await home.state(mission)).status.value, len(tries)

    assert run(story("approve", "approve")) == ("completed", 3)
    assert run(story("approve", "reject")) == ("failed", 2)
    assert run(story("reject")) == ("failed", 1)


def test_a_step_is_tried_as_its_workflow_says_and_last_by_another_version():
    async def story():
        tried = []

        async def new(_context, _given):
            tried.append("new")
            raise AgentFailed("no")

        async def old(_context, _given):
            tried.append("old")
            return "old did it"

        home = await a_home(*TOOLS, work=new)
        home.agents["old"] = old
        before = an_agent("work", version="0.9.0", run={"python": "tests.agents:old"})
        home.change(resources=[before])
        begun = home.clock.now()
        mission, rest = await driven(
            home,
            """
            name: one
            steps:
              one:
                skill: work
                retry: {attempts: 3, first: 10s, factor: 2, longest: 15s, other_version: true}
            """,
        )

        assert rest.ended
        assert tried == ["new", "new", "new", "old"]
        assert (await home.step(mission, "one")).agent == "work@0.9.0"
        assert (home.clock.now() - begun).total_seconds() == 10 + 15 + 15

    run(story())


def test_what_an_agent_gives_is_held_against_what_it_declares():
    async def story():
        async def nonsense(_context, _given):
            return {"price": "a lot"}

        home = await a_home(*TOOLS, nonsense=nonsense)
        schema = {"type": "object", "properties": {"price": {"type": "number"}}}
        skills = [{"name": "nonsense", "description": "x", "output": schema, "input": {"required": ["item"]}}]
        home.agent_fields = {"skills": skills}
        home.change()
        mission, _ = await driven(
            home, "name: one\nsteps: {one: {skill: nonsense, with: {item: 1}}, two: {skill: nonsense}}"
        )

        one, two = await home.step(mission, "one"), await home.step(mission, "two")
        assert (one.code, one.rules) == ("agent_failed", ("output_schema",))
        assert (two.code, two.rules) == ("invalid_input", ("input_schema",))

    run(story())


# --- lists


def test_a_list_gives_a_step_for_each_item_and_the_join_tells_outputs_and_failures():
    async def story():
        async def check(_context, given):
            if given["line"]["n"] == 2:
                raise AgentFailed("two is no good")
            return given["line"]["n"] * given["place"]

        home = await a_home(*TOOLS, check=check, echo=echo)
        mission, _ = await driven(
            home,
            """
            name: lines
            steps:
              check:
                for_each: ${inputs.lines}
                skill: check
                with: {line: "${item}", place: "${index}"}
                when: item.n != 4
                on_failure: continue
              tell: {skill: echo, with: {found: "${steps.check.output}"}}
            """,
            lines=[{"n": n} for n in (1, 2, 3, 4)],
        )

        assert (await home.output(mission, "tell"))["found"] == {
            "outputs": [0, None, 6, None],
            "failures": [
                {"index": 1, "step": "check.1", "status": "refused", "code": "agent_failed", "rules": ["agent_failed"]}
            ],
        }
        assert (await home.state(mission)).status == "completed"

    run(story())


def test_an_item_that_fails_fails_the_list_where_it_may_not_and_an_empty_list_is_done_at_once():
    async def story(lines):
        home = await a_home(*TOOLS, broken=broken)
        text = 'name: lines\nsteps: {check: {for_each: "${inputs.lines}", skill: broken}}'
        mission, rest = await driven(home, text, lines=lines)
        assert rest.ended
        held = await home.step(mission, "check")
        return held.status.value, held.code, await home.output(mission, "check")

    assert run(story([1, 2])) == ("failed", "items_failed", None)
    assert run(story([])) == ("succeeded", "", {"outputs": [], "failures": []})
    assert run(story("abc"))[:2] == ("failed", "invalid_input")


def test_only_so_many_of_a_list_run_at_once_and_one_that_hangs_holds_one_place_only():
    async def story():
        running, most, order = set(), [], []

        async def work(_context, given):
            running.add(given["n"])
            most.append(len(running))
            for _ in range(30 if given["n"] == 0 else 2):
                await asyncio.sleep(0)
            running.discard(given["n"])
            order.append(given["n"])

        home = await a_home(*TOOLS, work=work)
        mission, _ = await driven(
            home,
            """
            name: lines
            steps:
              work: {for_each: "${inputs.lines}", at_once: 3, skill: work, with: {n: "${item}"}}
            """,
            lines=list(range(9)),
        )

        assert (await home.state(mission)).status == "completed"
        assert max(most) == 3
        assert sorted(order) == list(range(9))

    run(story())


def test_a_list_goes_on_after_a_restart_in_its_middle():
    async def story():
        gate = asyncio.Event()

        async def work(_context, given):
            if given["n"] == 1 and not gate.is_set():
                await asyncio.sleep(3600)
            return given["n"]

        home = await a_home(*TOOLS, work=work)
        mission = await home.submit_written(
            'name: lines\nsteps: {work: {for_each: "${inputs.lines}", skill: work, with: {n: "${item}"}}}',
            lines=[0, 1, 2],
        )
        await home.driver.take_over()
        driving = asyncio.ensure_future(home.driver.drive(mission))
        while (await home.statuses(mission)).get("work.2") != "succeeded":
            await asyncio.sleep(0)
        driving.cancel()
        await home.driver.stop()
        gate.set()
        after = home.restarted()

        assert (await after.drive(mission)).ended
        assert (await after.output(mission, "work"))["outputs"] == [0, 1, 2]

    run(story())


# --- data flow


def paying(payee):
    return f"""
        name: pay
        steps:
          vendor: {{tool: erp__vendor, with: {{name: "${{inputs.name}}"}}}}
          quote: {{tool: shop__quote}}
          pay: {{tool: bank__pay, with: {{payee: "{payee}", amount: "1"}}, after: [vendor, quote]}}
        """


@pytest.mark.parametrize(
    ("payee", "asked"),
    [
        ("${inputs.name}", False),
        ("V-7", False),
        ("Payee ${inputs.name}", False),
        ("${steps.vendor.output.id}", True),
        ("${steps.quote.output.price}", True),
        ("${inputs.name} ${steps.quote.output.price}", True),
    ],
)
def test_a_sink_is_reached_unasked_only_by_what_a_person_or_the_workflows_author_gave(payee, asked):
    tools = (a_tool("shop__quote"), a_tool("erp__vendor", directory=True), a_payment("bank__pay", roles=PERSON))

    async def story():
        transport = FakeTransport(quote=lambda: {"price": "V-8"}, vendor=lambda **_: {"id": "V-9"})
        home = await a_home(*tools, transport=transport)
        mission, rest = await driven(home, paying(payee), name="V-1")
        assert rest.ended is not asked
        return (await home.step(mission, "pay")).label.trusted

    run(story())


def test_a_value_keeps_its_label_on_the_way_through_a_reference():
    async def story():
        home = await a_home(*TOOLS, transport=quoting(), echo=echo)
        mission, _ = await driven(
            home,
            """
            name: labels
            steps:
              quote: {tool: shop__quote}
              vendor: {tool: erp__vendor}
              from_outside: {skill: echo, with: {text: "about ${steps.quote.output.price}"}}
              from_inside: {skill: echo, with: {vendor: "${steps.vendor.output}"}}
              from_both: {for_each: "${inputs.list}", skill: echo, with: {a: "${item}", b: "${steps.quote.output}"}}
            """,
            list=[1],
        )
        labels = {name: held.label.trusted for name, held in (await home.state(mission)).steps.items()}
        assert labels == {
            "quote": False, "vendor": True, "from_outside": False, "from_inside": True, "from_both": False,
            "from_both.0": False,
        }  # fmt: skip

    run(story())


def test_what_looks_like_a_reference_in_a_value_is_none():
    async def story():
        home = await a_home(*TOOLS, transport=FakeTransport(quote=lambda: "${inputs.secret}"), echo=echo)
        mission, _ = await driven(
            home,
            """
            name: labels
            steps:
              quote: {tool: shop__quote}
              tell: {skill: echo, with: {text: "${steps.quote.output}", more: "so ${steps.quote.output}"}}
              each: {for_each: "${inputs.list}", skill: echo, with: {text: "${item}"}}
            """,
            secret="hidden",
            list=["${inputs.secret}"],
        )
        assert await home.output(mission, "tell") == {"text": "${inputs.secret}", "more": "so ${inputs.secret}"}
        assert (await home.output(mission, "each"))["outputs"] == [{"text": "${inputs.secret}"}]

    run(story())


# --- people, time, tools


def test_a_workflow_asks_people_and_waits_for_time():
    async def story():
        home = await a_home(*TOOLS, transport=quoting())
        mission, rest = await driven(
            home,
            """
            name: careful
            steps:
              sure: {question: {title: "Buy for ${inputs.item}?"}}
              later: {timer: 24h, after: [sure]}
              on_day: {until: "${inputs.day}", after: [later]}
              pay:
                tool: bank__pay
                with: {amount: "1", payee: "V-1"}
                after: [on_day]
                approve: {title: Really pay?, reason: It is much.}
            """,
            item="pens",
            day="2026-11-05",
        )
        assert (await home.case())["title"] == "Buy for pens?"
        await home.answer()
        rest = await home.drive(mission)
        assert (await home.step(mission, "later")).status == "parked"
        home.clock.move(hours=25)
        await home.drive(mission)
        assert (await home.step(mission, "on_day")).status == "parked"
        home.clock.move(hours=48)
        rest = await home.drive(mission)
        assert rest.waiting_for_people == 1
        case = await home.case()
        assert (case["title"], case["reasons"]) == ("Really pay?", [{"rule": "workflow", "message": "It is much."}])
        await home.answer()

        assert (await home.drive(mission)).ended
        assert home.made == ["pay"]

    run(story())


def test_a_call_that_hangs_is_given_up_in_its_time():
    async def story():
        async def never(**_given):
            await asyncio.sleep(3600)

        home = await a_home(a_tool("shop__quote"), transport=FakeTransport(quote=never))
        mission, rest = await driven(
            home, "name: one\nsteps: {one: {tool: shop__quote, timeout: 1s, retry: {attempts: 1}}}"
        )
        assert rest.ended
        held = await home.step(mission, "one")
        assert (held.code, held.rules) == ("tool_unreachable", ("step_timeout",))

    run(story())


def test_a_tool_step_is_made_as_the_agent_that_it_names():
    async def story():
        home = await a_home(*TOOLS, transport=quoting(), payer=echo)
        home.agent_fields = {"tools": ["shop__*"]}
        home.change()
        mission, _ = await driven(
            home,
            """
            name: as_agent
            steps:
              may: {tool: shop__quote, agent: payer}
              may_not: {tool: erp__vendor, agent: payer}
            """,
        )
        assert (await home.step(mission, "may")).agent == "payer@1.0.0"
        assert (await home.step(mission, "may_not")).code in {"not_granted", "tool_not_granted"}

    run(story())


def test_inputs_that_do_not_fit_begin_nothing():
    async def story():
        home = await a_home(*TOOLS, echo=echo)
        with pytest.raises(InvalidInput):
            await home.submit_written(
                "name: one\ninputs: {type: object, required: [item]}\nsteps: {one: {skill: echo}}", other=1
            )
        assert await home.store.records("mission") == []

    run(story())


def test_an_error_of_a_tool_is_tried_again_only_where_the_workflow_says_so():
    async def story(text):
        answers = [ToolResult(None, "busy"), ToolResult({"ok": True})]
        home = await a_home(a_tool("shop__quote"), transport=FakeTransport(quote=lambda: answers.pop(0)))
        mission, _ = await driven(home, text)
        return (await home.state(mission)).status.value

    assert run(story("name: one\nsteps: {one: {tool: shop__quote}}")) == "failed"
    assert run(story("name: one\nsteps: {one: {tool: shop__quote, retry: {attempts: 2}}}")) == "completed"


def test_a_person_is_asked_about_each_item_that_fails_and_then_the_list_ends():
    async def story():
        home = await a_home(*TOOLS, broken=broken)
        text = 'name: lines\nsteps: {check: {for_each: "${inputs.lines}", skill: broken, on_failure: escalate}}'
        mission, rest = await driven(home, text, lines=[1, 2])
        assert rest.waiting_for_people == 2
        for question in await home.questions():
            await home.answer("reject", approval=question)

        assert (await home.drive(mission)).ended
        assert (await home.step(mission, "check")).code == "items_failed"

    run(story())
