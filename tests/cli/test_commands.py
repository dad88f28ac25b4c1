"""The commands as a script meets them: real processes, exit codes, one JSON document, no colours in a pipe."""

import json
import os
import subprocess

import pytest
from tests.cli.builders import OFFICE, REMIT, environment, remit, run_arguments

ESC = "\x1b"


def test_version_and_help_need_no_home_and_little_time():
    began = os.times()
    assert remit("version").out == "remit 0.1.0\n"
    ended = os.times()
    used = ended.children_user - began.children_user + ended.children_system - began.children_system
    assert used < 5  # seconds of the processor: a bound against importing everything, not a measurement
    assert json.loads(remit("version", "--json").out) == {"version": "0.1.0"}
    helped = remit("--help")
    assert helped.code == 0
    assert "130  interrupted" in helped.out


def test_a_run_in_a_pipe_is_plain_and_leaves_what_waits(home):
    done = remit(*run_arguments("--home", home, ask="is it?"))

    assert done.code == 0, done.err
    assert ESC not in done.out + done.err
    assert "pay-1.pdf  invoice   20.00 USD  paid" in done.out
    assert "2 wait for a person" in done.out
    assert f"--home {home}" in done.out
    assert "approvals show apr-" in done.out


def test_with_json_stdout_is_one_document_and_the_lines_go_to_stderr(home):
    done = remit(*run_arguments("--home", home, "--json"))

    assert done.code == 0
    assert {d["file"]: d["status"] for d in done.json["documents"]} == {
        "pay-1.pdf": "paid",
        "pay-2.pdf": "waiting",
        "pay-3.pdf": "refused",
    }
    assert done.json["home"] == str(home)
    assert "pay-1" in done.err


@pytest.mark.parametrize(("answer", "status"), [("approve", "paid"), ("reject", "refused")])
def test_one_answer_for_all_is_given_where_it_is_open(home, answer, status):
    done = remit(*run_arguments("--home", home, "--json", "--answer", answer))

    documents = {d["file"]: d for d in done.json["documents"]}
    assert documents["pay-2.pdf"]["status"] == status
    assert documents["pay-3.pdf"]["rules"] == ["allowed_vendors"]


def test_an_answer_from_the_command_line_drives_the_mission_on(home):
    remit(*run_arguments("--home", home))
    (asked,) = remit("approvals", "--home", home, "--json").json
    assert asked["rules"] == ["require_approval_if_over"]

    shown = remit("approvals", "show", asked["id"], "--home", home)
    assert "amount = 900.00" in shown.out
    assert "the limit is USD 500.00" in shown.out
    assert f"remit approvals approve {asked['id']} --home {home}" in shown.out

    wrong = remit("approvals", "steer", asked["id"], "--set", "amnt=1", "--home", home, "--json")
    assert (wrong.code, wrong.json["code"]) == (2, "invalid_input")

    steered = remit("approvals", "steer", asked["id"], "--set", "amount=450.00", "--note", "half", "--home", home)
    assert steered.code == 0, steered.err
    assert "mission completed" in steered.out

    again = remit("approvals", "approve", asked["id"], "--home", home, "--json")
    assert (again.code, again.json["code"]) == (1, "already_answered")
    assert "hint:" in again.err


def test_why_cost_and_the_lists_answer_from_the_record(home):
    mission = remit(*run_arguments("--home", home, "--json")).json["mission"]

    why = remit("--home", home, "why", f"{mission}/pay-1")
    assert "office__pay permitted" in why.out
    assert "amount = 20.00  (from person: " in why.out
    assert "answered with what is internal and not trusted" in why.out
    assert "allowed_vendors" in remit("why", f"{mission}/pay-3", "--home", home).out
    assert remit("cost", "--home", home, "--json").json["lines"][0]["tool"] == "office__pay"
    assert remit("missions", "--json", "--home", home).json[0]["status"] == "waiting"
    assert "pay-2" in remit("missions", "show", mission, "--home", home).out
    assert "asks a person: require_approval_if_over" in remit("watch", mission, "--home", home).out
    for listing in ("agents", "tools", "policies", "halt --list", "doctor"):
        assert remit(*listing.split(), "--home", home, "--json").code == 0, listing
    explained = remit("policies", "explain", "--agent", "clerk", "--tool", "office__pay", "--arg", "amount=9.00",
                      "--arg", "vendor=Evil", "--arg", "currency=USD", "--home", home)  # fmt: skip
    assert explained.out.startswith("deny:")

    cancelled = remit("missions", "cancel", mission, "--home", home)
    assert cancelled.code == 0
    assert remit("missions", "cancel", mission, "--home", home).code == 1


def test_a_halt_keeps_a_mission_standing_until_it_is_lifted(home):
    assert remit("halt", "agent/clerk", "--reason", "look", "--home", home).code == 0
    stands = remit(*run_arguments("--home", home, "--json"))
    assert (stands.code, stands.json["documents"]) == (1, [])

    assert remit("halt", "agent/clerk", "--lift", "--home", home).code == 0
    assert "pay-1" in remit("watch", stands.json["mission"], "--home", home).out
    assert remit("halt", "--home", home).code == 2


def test_an_export_is_verified_without_a_home_and_a_change_is_named(home, tmp_path):
    remit(*run_arguments("--home", home))
    file = tmp_path / "record.jsonl"
    assert remit("ledger", "export", "--jsonl", file, "--home", home).code == 0

    key, seals = home / "ledger.vkey", home / "seals.log"
    fine = remit("ledger", "verify", file, "--key", key, "--seals", seals, REMIT_HOME=str(tmp_path / "none"))
    assert (fine.code, fine.out[:3]) == (0, "ok:"), fine.out + fine.err

    lines = file.read_text().splitlines(keepends=True)
    lines[4] = lines[4].replace('"actor":"', '"actor":"x')
    file.write_text("".join(lines))
    touched = remit("ledger", "verify", file, "--json")
    assert (touched.code, touched.json["first_bad"]["line"]) == (4, 5)
    assert remit("ledger", "verify", "--home", home).code == 0
    assert remit("ledger", "verify", tmp_path / "nope").code == 2


def test_a_mistake_is_told_with_its_line_and_changes_nothing(home, tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text((OFFICE / "office.yaml").read_text().replace("agents: [clerk]", "agents: [clark]"))
    told = remit("apply", "-f", bad, "--home", home)
    assert told.code == 2
    assert f"{bad}:" in told.err
    assert remit("apply", "-f", tmp_path / "none.yaml", "--home", home).code == 2
    assert remit("policies", "check", bad, "--home", home).code == 1
    again = remit("apply", "-f", OFFICE / "office.yaml", "--home", home, "--json")
    assert {change["action"] for change in again.json["changes"]} == {"unchanged"}


@pytest.mark.parametrize("workflow", ["office", "payables"])
def test_a_missing_folder_is_refused_before_anything_is_made(tmp_path, workflow):
    done = remit("run", workflow, "--input", tmp_path / "none", "--home", tmp_path / "home", "--json")

    assert (done.code, done.json["code"]) == (2, "invalid_input")
    assert not (tmp_path / "home").exists()


def test_misuse_of_the_command_line_has_the_same_form(tmp_path):
    unknown = remit("misions")
    assert (unknown.code, unknown.out) == (2, "")
    assert "hint:" in unknown.err
    assert remit("missions", "show", "--json").json["code"] == "invalid_input"
    none = remit("missions", "--home", tmp_path / "none", "--json")
    assert (none.code, none.json["code"]) == (2, "no_home")
    assert remit("missions", REMIT_PARALLEL="many", REMIT_HOME=str(tmp_path)).code == 2


@pytest.mark.parametrize("arguments", [("missions",), ("approvals", "--json"), ("--help",)])
def test_a_reader_that_has_enough_ends_the_command_quietly(home, arguments):
    # A pipe whose reader is gone before the first line, as `| head -0` leaves it.
    reads, writes = os.pipe()
    os.close(reads)
    at = ["--home", str(home)] if arguments != ("--help",) else []
    done = subprocess.run(
        [*REMIT, *arguments, *at], stdout=writes, stderr=subprocess.PIPE, text=True, env=environment(), check=False
    )
    os.close(writes)

    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"REMIT_MODEL": "no such form"}, "REMIT_MODEL:"),
        ({"REMIT_MODEL": "http://127.0.0.1:9/v1", "REMIT_MODEL_PRICE": "cheap"}, "REMIT_MODEL_PRICE:"),
    ],
)
def test_a_bad_model_setting_is_refused_with_its_variables_name(home, variables, named):
    done = remit("missions", "--home", home, "--json", **variables)

    assert (done.code, done.json["code"]) == (2, "invalid_setting")
    assert named in done.json["detail"]


def test_what_is_not_there_is_told_in_one_plain_sentence(home):
    told = remit("missions", "show", "msn-none", "--home", home).err

    assert told.startswith("error: Not found. There is no mission msn-none.\n")
    assert (
        "error: Not found. There is no workflow 'ofice'; did you mean 'office'?"
        in remit("run", "ofice", "--home", home).err
    )


def test_cases_of_policies_are_decided_with_an_exit_code_and_every_rule_that_spoke(home, tmp_path):
    case = tmp_path / "case.yaml"
    case.write_text(
        "description: Nine dollars are paid.\ntool: office__pay\n"
        "request: {agent: clerk, arguments: {vendor: Paper Inc, amount: '9.00', currency: USD}}\n"
        "expected: {answer: permit}\n"
    )

    on_the_home = remit("policies", "test", case, "--home", home)
    on_files = remit("policies", "test", case, "-f", OFFICE / "office.yaml", "--json", REMIT_HOME=str(tmp_path / "no"))
    case.write_text(case.read_text().replace("answer: permit", "answer: deny"))
    failing = remit("policies", "test", case, "--home", home)

    assert on_the_home.code == 0, on_the_home.out + on_the_home.err
    assert "1 as expected, 0 not." in on_the_home.out
    assert (on_files.code, on_files.json["ok"]) == (0, True), on_files.err
    assert failing.code == 1
    assert "expected deny, got permit" in failing.out
    assert "within_approval_limit" in failing.out


def test_a_refusal_says_which_yaml_would_permit_it_and_applies_none(home):
    mission = remit(*run_arguments("--home", home, "--json", lines=[{"vendor": "Evil", "amount": "5.00"}])).json[
        "mission"
    ]
    steps = remit("missions", "show", mission, "--home", home, "--json").json["steps"]
    refused = next(step["id"] for step in steps if step["status"] == "refused")

    told = remit("why", f"{mission}/{refused}", "--home", home).out

    assert "what would permit it (nothing is applied by itself):" in told
    assert "allowed_vendors: [PAYEE]" in told
    assert remit("policies", "--home", home, "--json").json[0]["allowed_vendors"] == ["Paper Inc", "Slow Ltd"]


def test_policies_are_tried_on_what_happened(home, tmp_path):
    remit(*run_arguments("--home", home))
    new = tmp_path / "new.yaml"
    new.write_text(
        "apiVersion: remit/v1\nkind: Policy\nname: office\nagents: [clerk]\ntools: [office__pay]\n"
        "require_approval_if_over: {amount: '10', currency: USD}\nallowed_vendors: [Paper Inc, Evil]\n"
    )

    told = remit("policies", "simulate", "-f", new, "--home", home)

    assert told.code == 0, told.err
    assert "was permit" in told.out
    assert "would be ask" in told.out
    assert "was deny (allowed_vendors), would be permit" in told.out
    assert "2 different (1 deny -> permit, 1 permit -> ask)" in told.out
