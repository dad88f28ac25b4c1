"""The report's status for each way in which a document's steps can stand."""

from typing import Any

import pytest

from remit.packs.payables.report import report

PAYMENT = {"invoice": "R-1", "vendor": "V-1", "account": "DE1", "amount": "119.00", "currency": "EUR", "note": "n"}


def a_step(name: str, status: str = "succeeded", **more: Any) -> dict[str, Any]:
    kind = "tool" if name.startswith("pay") else "question" if name.startswith("ask") else "skill"
    plain = {"kind": kind, "code": "", "rules": [], "verdict": "", "answered_by": "", "given": None, "output": None}
    return {"id": name, "status": status, "why": None, **plain, **more}


def a_reading(**more: Any) -> dict[str, Any]:
    return {"type": "invoice", "origin": "xml", "invoice_number": "R-1", "currency": "EUR", **more}


def an_assessment(decision: str = "pay", rules: tuple[str, ...] = (), payment: Any = PAYMENT) -> dict[str, Any]:
    reasons = [f"Because of {rule}." for rule in rules]
    return {
        "file": "a.pdf",
        "title": "a.pdf: R-1",
        "decision": decision,
        "rules": list(rules),
        "reasons": reasons,
        "payment": payment,
    }


def shown(*steps: dict[str, Any], questions: dict[str, Any] | None = None) -> dict[str, Any]:
    plan = a_step("plan", output={"documents": [{"step": "read-001", "file": "a.pdf", "type": "invoice"}]})
    return {
        "id": "msn-1",
        "status": "working",
        "code": "",
        "detail": "",
        "reader": "offline rules, no language model",
        "steps": [plan, *steps],
        "questions": questions or {},
        "tokens": {"input": 0, "output": 0},
        "budget": {"used_usd_micros": 12_500},
        "ledger": {"stream": "mission/msn-1", "entries": 9},
    }


def read_and_matched(assessment: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    return a_step("read-001", output=a_reading()), a_step("match", output={"assessments": [assessment]})


def the_document(*steps: dict[str, Any], questions: dict[str, Any] | None = None) -> dict[str, Any]:
    (document,) = report(shown(*steps, questions=questions))["documents"]
    assert isinstance(document, dict)
    return document


def test_before_anything_was_read_a_document_waits():
    assert the_document()["status"] == "waiting"
    assert the_document(a_step("read-001", "running"))["status"] == "waiting"
    assert the_document(a_step("read-001", output=a_reading()))["status"] == "waiting"


def test_a_mission_that_has_no_plan_yet_has_no_documents():
    told = report({**shown(), "steps": [a_step("plan", "running")]})

    assert (told["documents"], told["paid"], told["waiting"]) == ([], [], [])


def test_a_reading_step_that_failed_leaves_the_document_unreadable():
    lost = a_step("read-001", "failed", rules=["tool_failed"], why={"title": "The tool failed.", "detail": ""})

    assert the_document(lost)["status"] == "unreadable"
    assert the_document(lost)["rules"] == ["tool_failed"]


@pytest.mark.parametrize(
    ("decision", "status"), [("refuse", "refused"), ("unreadable", "unreadable"), ("read", "read")]
)
def test_what_matching_has_decided_is_the_status(decision, status):
    document = the_document(*read_and_matched(an_assessment(decision, ("some_rule",), None)))

    assert (document["status"], document["rules"], document["reasons"]) == (
        status,
        ["some_rule"],
        ["Because of some_rule."],
    )


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        ("succeeded", "", "paid"),
        ("ready", "", "waiting"),
        ("running", "", "waiting"),
        ("waiting", "approval", "waiting"),
        ("waiting", "effect_uncertain", "waiting"),
        ("pending", "", "waiting"),
        ("failed", "tool_failed", "refused"),
        ("refused", "policy_denied", "refused"),
    ],
)
def test_a_proposed_payment_is_as_its_step_is(status, code, expected):
    step = a_step("pay-001", status, code=code, rules=[code] if code else [], given=PAYMENT)

    assert the_document(*read_and_matched(an_assessment()), step)["status"] == expected


def test_a_refused_payment_names_the_rule_that_refused_it():
    why = {"title": "A policy denies this call.", "detail": "'V-1' is not an allowed vendor"}
    step = a_step("pay-001", "refused", rules=["allowed_vendors"], why=why, given=PAYMENT)

    told = report(shown(*read_and_matched(an_assessment("ask", ("order_required",))), step))

    assert told["documents"][0]["rules"] == ["order_required", "allowed_vendors"]
    assert told["refusals"] == [
        {
            "file": "a.pdf",
            "rules": ["order_required", "allowed_vendors"],
            "reason": "Because of order_required. A policy denies this call. 'V-1' is not an allowed vendor",
        }
    ]


def test_a_rejected_payment_shows_what_the_person_wrote():
    step = a_step("pay-001", "refused", rules=["rejected"], why="not ours", verdict="reject", given=PAYMENT)

    document = the_document(*read_and_matched(an_assessment()), step)

    assert (document["status"], document["rules"]) == ("refused", ["rejected"])
    assert document["reasons"] == ["Rejected: not ours"]


@pytest.mark.parametrize(
    ("verdict", "said"), [("approve", "Approved by ann."), ("steer", "Changed and approved by ann.")]
)
def test_a_payment_that_was_let_through_names_who_did(verdict, said):
    step = a_step("pay-001", verdict=verdict, answered_by="ann", given=PAYMENT)

    assert said in the_document(*read_and_matched(an_assessment()), step)["reasons"]


def test_a_steered_payment_shows_and_sums_what_was_paid():
    step = a_step("pay-001", verdict="steer", answered_by="ann", given={**PAYMENT, "amount": "100.00"})

    told = report(shown(*read_and_matched(an_assessment()), step))

    assert told["documents"][0]["payment"]["amount"] == "100.00"
    assert told["paid"] == [{"currency": "EUR", "amount": "100.00", "count": 1}]


def test_an_open_question_waits_and_says_which():
    asked = {"apr-1": {"step": "pay-001", "rules": ["order_required"], "title": "Pay EUR 119.00"}}
    step = a_step("pay-001", "waiting", given=PAYMENT)

    told = report(shown(*read_and_matched(an_assessment("ask", ("order_required",))), step, questions=asked))

    assert told["waiting"] == [
        {"approval": "apr-1", "file": "a.pdf", "rules": ["order_required"], "title": "a.pdf: R-1"}
    ]


def test_a_question_about_no_document_is_shown_too():
    asked = {"apr-1": {"step": "read-001~1", "rules": ["require_approval"], "title": "model__chat"}}

    told = report(shown(a_step("read-001", "blocked"), questions=asked))

    assert told["waiting"] == [{"approval": "apr-1", "file": "", "rules": ["require_approval"], "title": "model__chat"}]


# --- questions where no payment could be formed

UNKNOWN = an_assessment("ask", ("vendor_unknown",), None)
YES = a_step("ask-001", verdict="approve", answered_by="ann")


def test_an_unknown_vendor_waits_for_an_answer():
    document = the_document(*read_and_matched(UNKNOWN), a_step("ask-001", "waiting"), a_step("recheck-001", "pending"))

    assert document["status"] == "waiting"


def test_a_no_refuses():
    document = the_document(
        *read_and_matched(UNKNOWN),
        a_step("ask-001", "refused", rules=["vendor_unknown", "rejected"], verdict="reject"),
        a_step("recheck-001", output={"assessments": []}),
    )

    assert (document["status"], document["rules"]) == ("refused", ["vendor_unknown", "rejected"])


def test_after_a_yes_the_vendor_may_still_be_unknown():
    again = a_step("recheck-001", output={"assessments": [UNKNOWN]})

    document = the_document(*read_and_matched(UNKNOWN), YES, again)

    assert document["status"] == "waiting"
    assert "ann said yes, and the vendor is still not in the ERP." in document["reasons"]


def test_after_a_yes_the_second_look_may_be_under_way():
    assert the_document(*read_and_matched(UNKNOWN), YES, a_step("recheck-001", "running"))["status"] == "waiting"


def test_after_a_yes_the_payment_of_the_second_look_counts():
    again = a_step("recheck-001", output={"assessments": [an_assessment()]})

    document = the_document(*read_and_matched(UNKNOWN), YES, again, a_step("pay-001", given=PAYMENT))

    assert (document["status"], document["rules"]) == ("paid", [])


def test_after_a_yes_the_second_look_may_refuse_or_fail():
    blocked = a_step("recheck-001", output={"assessments": [an_assessment("refuse", ("vendor_blocked",))]})
    failed = a_step("recheck-001", "failed", rules=["tool_failed"])

    assert the_document(*read_and_matched(UNKNOWN), YES, blocked)["status"] == "refused"
    assert the_document(*read_and_matched(UNKNOWN), YES, failed)["rules"] == ["vendor_unknown", "tool_failed"]


def test_what_a_person_settles_by_hand_is_refused_and_says_by_whom():
    document = the_document(*read_and_matched(an_assessment("ask", ("negative_total",), None)), YES)

    assert (document["status"], document["rules"]) == ("refused", ["negative_total", "settled_by_hand"])
    assert document["reasons"][-1] == "ann noted it as settled by hand; nothing was paid."


# --- the whole


def test_fields_are_counted_by_where_they_come_from_and_cost_is_decimal_text():
    told = report(shown(*read_and_matched(an_assessment())))

    assert told["fields_by_origin"] == {"xml": {"documents": 1, "fields": 2, "of": 10}}
    assert told["cost_usd"] == "0.0125"
    assert told["record"] == {"stream": "mission/msn-1", "entries": 9}
    assert told["documents"][0]["net_total"] is None
