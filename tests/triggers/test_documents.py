"""What a trigger's file may say, and what is told at its line where it may not."""

import re
from pathlib import Path

import pytest
import yaml
from tests.triggers.builders import HOOK, trigger_text

from remit.control_plane import kinds
from remit.registry import plan_apply

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "let-events-begin-missions.md"
HEAD = "apiVersion: remit/v1\n"
WORKFLOW = (
    f"{HEAD}kind: Agent\nname: a\nversion: 1.0.0\nskills: [{{name: plan, description: x}}]\nrun: {{python: 'a.b:c'}}\n"
    "---\n"
    f"{HEAD}kind: Workflow\nname: pay\nstart: plan\nbudget: {{amount: '1.00', currency: USD}}\n"
)
ANNA = f"{HEAD}kind: Principal\nname: anna\nroles: [operator]\n"


def problems(text):
    plan = plan_apply([("w.yaml", WORKFLOW), ("p.yaml", ANNA), ("t.yaml", text)], {}, kinds())
    return [problem.message for problem in plan.errors]


def test_a_trigger_that_says_all_that_it_must_is_taken():
    assert (
        problems(trigger_text("anna", when="event.body.x > 1.0", id="event.body.id", verified=["event.body.id"])) == []
    )


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"on": "{}"}, "expected one of `webhook`, `api`, `nats`, `redis`, `schedule`"),
        ({"on": "{api: {}, schedule: {cron: '* * * * *'}}"}, "not several"),
        ({"when": "event.body.x >"}, "no valid condition"),
        ({"when": "body == 1"}, "known is event"),
        ({"when": "'text'"}, "expected one that is true or false"),
        ({"id": "event.name"}, "an event has no 'name'"),
        ({"id": "body.id"}, "a place in the event"),
        ({"verified": ["event.secret.x"]}, "an event has no 'secret'"),
        ({"on": "{schedule: {cron: '61 * * * *'}}"}, "no schedule that ever comes"),
        ({"on": "{schedule: {cron: '0 0 30 2 *'}}"}, "no schedule that ever comes"),
        ({"on": "{schedule: {cron: '* * * * *', time_zone: Mars/Base}}"}, "no time zone 'Mars/Base'"),
        ({"on": "{webhook: {signature: md5, secret: 'env:X'}}"}, "standard-webhooks"),
        ({"on": "{webhook: {signature: github, secret: hunter2}}"}, "expected a reference"),
        ({"on": "{nats: {url: 'nats://me:pw@host', stream: S}}"}, "without user and password"),
        ({"on": "{redis: {url: 'http://host', stream: S}}"}, "redis://HOST:PORT/NUMBER"),
        (
            {"on": "{nats: {url: 'nats://host', stream: S, credential: {ref: 'env:X', as: {header: X-Key}}}}"},
            "expected `bearer` or `basic`",
        ),
        (
            {"on": "{redis: {url: 'redis://host', stream: S, credential: {ref: 'env:X', as: {query: key}}}}"},
            "expected `bearer` or `basic`",
        ),
        (
            {"on": "{redis: {url: 'redis://host', stream: S, credential: {ref: 'env:X', as: {env: KEY}}}}"},
            "expected `bearer` or `basic`",
        ),
        ({"submit": {"workflow": "pay", "principal": "anna", "inputs": {"x": "${body.x}"}}}, "is no reference"),
        ({"submit": {"workflow": "pay", "principal": "anna", "inputs": {"x": ["${event.x}"]}}}, "an event has no 'x'"),
        ({"submit": {"workflow": "pya", "principal": "anna"}}, "did you mean 'pay'?"),
        ({"submit": {"workflow": "pay", "principal": "ana"}}, "did you mean 'anna'?"),
        ({"submit": None}, "expected one of `submit`, `deliver`"),
    ],
    ids=lambda value: None if isinstance(value, dict) else value[:30],
)
def test_what_cannot_be_meant_is_told(fields, told):
    found = problems(trigger_text("anna", **{"on": HOOK, **fields}))

    assert found
    assert any(told in message for message in found), found


def test_the_triggers_of_the_how_to_are_taken():
    texts = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    shown = [document for text in texts for document in yaml.safe_load_all(text)]
    named = sorted({document["submit"]["workflow"] for document in shown if "submit" in document})
    workflows = "---\n".join(WORKFLOW.partition("---\n")[2].replace("name: pay", f"name: {name}") for name in named)
    files = [("w.yaml", WORKFLOW), ("ws.yaml", workflows), ("p.yaml", ANNA)]
    plan = plan_apply([*files, *((f"{n}.yaml", text) for n, text in enumerate(texts))], {}, kinds())

    assert len(shown) == 6
    assert plan.errors == ()


def test_the_subscriptions_of_the_how_to_are_taken_and_others_are_told_what_is_wrong():
    page = PAGE.with_name("tell-others-what-happens.md").read_text("utf-8")
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    workflow = WORKFLOW.replace("name: pay", "name: payables")

    def wrong(text):
        return [one.message for one in plan_apply([("w.yaml", workflow), ("s.yaml", text)], {}, kinds()).errors]

    assert wrong(text) == []
    head = f"{HEAD}kind: Subscription\nname: x\n"
    to = "to: {nats: {url: 'nats://h', subject: s}}\n"
    assert "expected exactly one of" in wrong(f"{head}events: [mission.completed]\nto: {{}}\n")[0]
    assert any("a kind of event" in one for one in wrong(f"{head}events: ['*']\n{to}"))
    assert "did you mean 'payables'" in wrong(f"{head}events: [mission.failed]\nworkflows: [payable]\n{to}")[0]
    personal = "to: {nats: {url: 'nats://h', subject: s, credential: {per_person: {ref: 'file:{principal}'}}}}\n"
    assert wrong(f"{head}events: [mission.failed]\n{personal}")
