"""Workflows from the command line: checked, drawn and run."""

from tests.cli.builders import remit

from remit.cli.drawing import dot, lines, mermaid, ranks

GOOD = """\
apiVersion: remit/v1
kind: Workflow
name: order
budget: {amount: "1.00", currency: USD}
tools: ["office__*"]
inputs: {type: object, properties: {vendor: {type: string}}}
steps:
  sure: {question: {title: "Pay ${inputs.vendor}?"}}
  late: {timer: 7d, after: [sure]}
  pay:
    tool: office__pay
    agent: clerk
    with: {amount: "10.00", currency: USD, vendor: "${inputs.vendor}"}
    after: [sure]
"""


def test_a_workflow_is_checked_drawn_applied_and_run(home, tmp_path):
    file = tmp_path / "order.yaml"
    file.write_text(GOOD.replace("after: [sure]}", "after: [surely]}"))
    wrong = remit("workflows", "check", file, "--home", home)
    assert wrong.code != 0
    assert f"{file}:9: steps.late.after[0]: there is no step 'surely'; did you mean 'sure'?" in wrong.err

    file.write_text(GOOD)
    right = remit("workflows", "check", file, "--home", home, "--json")
    assert (right.code, right.json["errors"], right.json["workflows"]) == (0, [], ["order"])
    drawn = remit("workflows", "draw", file, "--home", home)
    assert "pay   tool office__pay  <- sure" in drawn.out

    assert remit("apply", "-f", file, "--home", home).code == 0
    assert "3 steps" in remit("workflows", "--home", home).out
    assert "question" in remit("workflows", "show", "order", "--home", home).out
    run = remit("run", "order", "--set", "vendor=Paper Inc", "--answer", "approve", "--home", home, "--json")
    assert run.code in {0, 3}, run.err
    (mission,) = [one["id"] for one in remit("missions", "--home", home, "--json").json if one["workflow"] == "order"]
    stands = remit("workflows", "draw", "order", "--mission", mission, "--home", home, "--json").json
    assert {step["id"]: step["status"] for step in stands["steps"]} == {
        "sure": "succeeded", "late": "parked", "pay": "succeeded",
    }  # fmt: skip


FAMILY = """\
apiVersion: remit/v1
kind: Workflow
name: below
budget: {amount: "0.10", currency: USD}
tools: []
inputs: {type: object}
steps:
  sure: {question: {title: "Is it fine below?"}}
---
apiVersion: remit/v1
kind: Workflow
name: above
budget: {amount: "1.00", currency: USD}
tools: []
inputs: {type: object}
steps:
  sub: {workflow: below, with: {}}
  later: {timer: 1s, after: [sub]}
"""


def test_questions_of_a_mission_below_are_asked_where_the_one_above_is_run(home, tmp_path):
    file = tmp_path / "family.yaml"
    file.write_text(FAMILY)
    assert remit("apply", "-f", file, "--home", home).code == 0

    left = remit("run", "above", "--home", home, "--json").json
    shown = remit("missions", "show", left["id"], "--home", home)
    run = remit("run", "above", "--answer", "approve", "--home", home, "--json")

    (asked,) = left["approvals"]
    assert (left["status"], asked["mission"]) == ("waiting", left["steps"][1]["mission"])
    assert f"sub waits for the mission {asked['mission']}." in shown.out
    assert f"approvals show {asked['id']}" in shown.out
    assert (run.code, run.json["status"]) == (0, "completed")


def a_step(name, *after, status=""):
    step = {"id": name, "kind": "tool", "target": "a__b", "after": list(after)}
    return {**step, "each": False, "when": "", "status": status}


def test_each_step_stands_below_all_that_it_waits_for():
    steps = [a_step("c", "a", "b"), a_step("b", "a"), a_step("a"), a_step("d", "elsewhere")]

    assert [[step["id"] for step in rank] for rank in ranks(steps)] == [["a", "d"], ["b"], ["c"]]


def test_a_drawing_shows_where_each_step_stands():
    steps = [a_step("a", status="succeeded"), a_step("b", "a", status="failed")]

    assert list(lines(steps)) == [
        ("  + a  tool a__b  [succeeded]", "green"),
        ("  |", ""),
        ("  x b  tool a__b  <- a  [failed]", "red"),
    ]
    assert "s0 --> s1" in mermaid(steps)
    assert "style s1 fill:#f8d0d0" in mermaid(steps)
    assert '"a" -> "b";' in dot(steps)
