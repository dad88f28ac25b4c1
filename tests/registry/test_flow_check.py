"""Workflows with steps that cannot be carried out: every fault at its line, before anything runs."""

from textwrap import dedent

import pytest
from tests.gateway.builders import a_tool
from tests.registry.builders import agent_text, applied, planned, source_text

from remit.registry import Registry, WorkflowBuilder
from remit.registry.flow_fit import check_fit
from remit.resources import read_resources

HEAD = """\
apiVersion: remit/v1
kind: Workflow
name: buy
budget: {amount: "1.00", currency: USD}
tools: [shop__*]
"""
SHOP = source_text("python: {module: shop}\ntools: {quote: {tier: read-only}}\n", "shop")
GIVES = "{type: object, properties: {price: {type: number}}}"
TAKES = "{type: object, properties: {n: {type: integer}}, required: [n], additionalProperties: false}"


def an_agent(skill="work"):
    text = agent_text("Worker", skill=skill)
    return text.replace(
        "    description: does it\n", f"    description: does it\n    output: {GIVES}\n    input: {TAKES}\n"
    )


def problems(steps):
    """Line in the file, place and message of each error."""
    plan = planned(HEAD + dedent(steps), an_agent(), SHOP)
    return [(problem.line, problem.where, problem.message) for problem in plan.errors]


@pytest.mark.parametrize(
    ("steps", "line", "where", "told"),
    [
        ("steps: {a: {skill: work, after: [b]}, b: {skill: work, after: [a]}}", 6, "steps.", "wait for each other: "),
        ("steps:\n  a: {skill: work, after: [nobody]}", 7, "steps.a.after[0]", "there is no step 'nobody'"),
        ('steps:\n  a:\n    skill: work\n    with: {n: "${steps.b.output}"}', 9, "steps.a.with.n", "no step 'b'"),
        ('steps:\n  a:\n    skill: work\n    with: {n: "${steps.a.output}"}', 9, "steps.a.with.n", "the step itself"),
        ('steps:\n  a:\n    skill: work\n    with: {n: "${item}"}', 9, "steps.a.with.n", "a step with `for_each`"),
        ('steps:\n  a:\n    skill: work\n    with: {n: "${somewhere.x}"}', 9, "steps.a.with", "is no reference"),
        ('steps:\n  a:\n    skill: work\n    with: {n: "${steps.a}"}', 9, "steps.a.with", "must name a step and one"),
        ("steps:\n  a: {skill: fly}", 7, "steps.a.skill", "offers the skill 'fly'"),
        ("steps:\n  a: {tool: bank__pay}", 7, "steps.a.tool", "not among the workflow's `tools`"),
        ("steps:\n  a: {workflow: other}", 7, "steps.a.workflow", "there is no workflow 'other'"),
        ("steps:\n  a: {workflow: buy}", 7, "steps.a.workflow", "would begin itself"),
        ("steps:\n  a: {skill: work, when: 'inputs.x > '}", 7, "steps.a.when", "no valid condition"),
        ("steps:\n  a: {skill: work, when: '1 + 1'}", 7, "steps.a.when", "gives INT"),
        ("steps:\n  a: {skill: work, when: 'steps.b.output'}", 7, "steps.a.when", "there is no other step 'b'"),
        ("steps:\n  a: {skill: work, when: 'item > 1'}", 7, "steps.a.when", "for a step with `for_each`"),
        ("steps:\n  a: {skill: work, for_each: [1]}", 7, "steps.a.for_each", ""),
        ("steps:\n  a: {skill: work, for_each: 'x ${inputs.y}'}", 7, "steps.a.for_each", "expected one reference"),
        ("steps:\n  a: {skill: work, at_once: 3}", 7, "steps.a.at_once", "for a step with `for_each`"),
        ("steps:\n  a: {timer: 1h, with: {n: 1}}", 7, "steps.a.with", "this step is a timer"),
        ("steps: {a: {skill: work, after: [a]}}", 6, "steps.a", "wait for each other: a > a"),
        ("steps:\n  a: {timer: soon}", 7, "steps.a.timer", "30s, 10m, 24h or 7d"),
        ("steps:\n  a: {skill: work, tool: shop__quote}", 7, "steps.a.tool", "exactly one may stand"),
        ("steps:\n  a: {after: []}", 7, "steps.a", "expected one of"),
        ("steps:\n  a-b: {skill: work}", 7, "steps.a-b", ""),
        ("steps:\n  a: {skill: work, compensate: {with: {}}}", 7, "steps.a.compensate", "expected `tool` or `skill`"),
        ("start: work\nsteps: {a: {skill: work}}", 7, "steps", "take one of the two out"),
        ("output: 1", 3, "", "expected `start`, or `steps`"),
        ("start: work\noutput: 1", 7, "output", "is for a workflow with `steps`"),
        ('steps: {a: {skill: work}}\noutput: "${steps.b.output}"', 7, "output", "there is no step 'b'"),
        ('inputs: {type: object, properties: {item: {}}}\nsteps: {a: {skill: work, with: {n: "${inputs.itme}"}}}',
         7, "steps.a.with.n", "declares no 'itme'; did you mean 'item'?"),
    ],
)  # fmt: skip
def test_each_fault_is_told_at_its_line(steps, line, where, told):
    found = problems(steps)

    assert [one for one in found if one[1].startswith(where) and told in one[2]], found
    assert min(one[0] for one in found) == line or where == ""


def test_a_circle_is_told_beside_what_else_is_wrong():
    found = problems("steps:\n  a: {skill: work, after: [b]}\n  b: {skill: work, after: [a, nowhere]}")

    assert len(found) == 2
    assert any("wait for each other" in message for *_, message in found)
    assert any("no step 'nowhere'" in message for *_, message in found)


def test_a_good_workflow_has_no_fault():
    good = """
    inputs: {type: object, properties: {items: {type: array}}}
    steps:
      ask: {for_each: "${inputs.items}", at_once: 2, tool: shop__quote, with: {item: "${item}"}, when: index < 3}
      judge: {skill: work, with: {n: 1}, after: [ask], retry: {attempts: 2, first: 1m}, timeout: 10m}
      wait: {event: {name: paid, match: {price: "${steps.judge.output.price}"}}, timeout: 7d, on_failure: escalate}
    output: {price: "${steps.judge.output.price}"}
    """
    assert problems(good) == []


def fits(steps, *more):
    stored = applied(an_agent(), SHOP, *more)
    quote = a_tool("shop__quote", properties={"item": {"type": "string"}}, required=["item"])
    pay = a_tool("shop__pay", tier="critical")
    (raw,), _ = read_resources(HEAD + dedent(steps), "buy.yaml")
    found = check_fit(raw, Registry.build(stored.values(), [quote, pay]))
    return [(problem.line, problem.where, problem.severity, problem.message) for problem in found]


@pytest.mark.parametrize(
    ("steps", "where", "severity", "told"),
    [
        ("steps: {a: {tool: shop__quote}}", "steps.a.with", "error", "needs 'item'"),
        ("steps: {a: {tool: shop__quote, with: {item: 5}}}", "steps.a.with.item", "error", "takes another value"),
        ("steps: {a: {skill: work, with: {n: 1, m: 2}}}", "steps.a.with.m", "error", "takes no 'm'"),
        ("steps: {a: {skill: work, with: {n: one}}}", "steps.a.with.n", "error", "takes another value"),
        ('steps: {a: {skill: work, with: {n: 1}}, b: {question: {title: "${steps.a.output.total}"}}}',
         "steps.b.question.title", "error", "has no 'total'; it has price"),
        ("steps: {a: {tool: shop__pay}}", "steps.a.tool", "warning", "is critical"),
    ],
)  # fmt: skip
def test_what_does_not_fit_its_schema_or_tier_is_told(steps, where, severity, told):
    found = fits(steps)

    assert [one[1:3] for one in found] == [(where, severity)]
    assert told in found[0][3]


def test_a_mission_below_that_needs_a_tool_that_was_not_given_is_told():
    below = (HEAD + "steps: {pay: {tool: bank__pay}}").replace("name: buy", "name: below").replace("shop__*", "bank__*")
    bank = source_text("python: {module: bank}\n", "bank")

    found = fits("steps: {a: {workflow: below}}", below, bank)

    assert [one[1:3] for one in found] == [("steps.a.workflow", "error")]
    assert "bank__pay (critical)" in found[0][3]


def test_two_workflows_that_begin_each_other_are_found():
    one = HEAD + "steps: {a: {workflow: two}}"
    two = (HEAD + "steps: {a: {workflow: buy}}").replace("name: buy", "name: two")

    plan = planned(one, two)

    assert [problem.message for problem in plan.errors] == [
        "workflow 'buy' would begin itself, by way of 'two'",
        "workflow 'two' would begin itself, by way of 'buy'",
    ]


def test_a_workflow_that_python_writes_is_the_one_that_a_file_holds():
    flow = WorkflowBuilder("buy", budget="1.00 USD", tools=["shop__*"], inputs={"items": {"type": "array"}})
    ask = flow.tool("ask", "shop__quote", {"item": flow.item}, for_each=flow.inputs.items, at_once=2)
    sure = flow.question("sure", title=f"Buy for {ask.output.outputs[0].optional}?", after=[ask])
    judge = flow.skill("judge", "work", {"n": 1}, after=[sure], retry={"attempts": 2, "first": "1m"})
    flow.event("wait", "paid", {"price": judge.output.price}, timeout="7d")
    flow.output({"price": judge.output.price})

    plan = planned(flow.yaml(), an_agent(), SHOP)

    assert plan.errors == ()
    (written,) = [one for one in plan.resources if one.kind == "Workflow"]
    assert written.fields["steps"]["sure"] == {
        "question": {"title": "Buy for ${steps.ask.output.outputs[0]?}?"}, "after": ["ask"],
    }  # fmt: skip
    assert written.fields["output"] == {"price": "${steps.judge.output.price}"}


def test_a_step_that_python_writes_twice_is_refused():
    flow = WorkflowBuilder("buy", budget="1.00 USD")
    flow.timer("a", "1h")
    with pytest.raises(ValueError, match="stands there already"):
        flow.timer("a", "2h")
