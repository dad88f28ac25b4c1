"""The mission with a language model, played by a scripted server that speaks the provider's protocol."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.pydantic_ai.stub import stub_server

from remit.bootstrap import create_home, current_principal, open_home
from remit.config import OFFLINE, read_settings
from remit.packs.payables import prepare, resource_files, stage

pytestmark = pytest.mark.shared

#: An invoice in flowing words: no labels for rules to hold on to, but everything is there for a reader.
_LETTER = """\
Dear customer,

thank you for your trust. For the repair of your oven on March 3, 2026 we charge, as agreed by telephone, and with
reference to our invoice bearing the sign KR-2207:  EUR 400.00 for our work and EUR 76.00 value added tax, which is
EUR 476.00 altogether.

Yours, Kessler Repairs GmbH
"""
_ANSWER = {
    "invoice_number": "KR-2207",
    "invoice_date": "2026-03-03",
    "seller_name": "Kessler Repairs GmbH",
    "seller_vat_id": None,
    "buyer_name": None,
    "order_number": None,
    "currency": "EUR",
    "net_total": "400.00",
    "tax_total": "76.00",
    "grand_total": "476.00",
}


def the_report(home: Path, documents: Path, environment: dict[str, str]) -> dict[str, Any]:
    async def go() -> dict[str, Any]:
        settings = read_settings(environment, home=home)
        await create_home(settings)
        prepare(home)
        plane = await open_home(settings)
        by = current_principal(plane)
        await plane.resources.apply(resource_files(), by)
        mission = await plane.missions.submit("payables", stage(home, documents), by)
        await plane.missions.drive(mission, by)
        report = await plane.missions.report(mission, by)
        await plane.close()
        return report

    return asyncio.run(go())


def a_folder(tmp_path: Path, text: str = _LETTER) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "letter.txt").write_text(text)
    return folder


def script(content: Any) -> dict[str, Any]:
    return {"conversations": [{"match": {}, "turns": [{"content": content}]}]}


def test_without_a_model_the_report_says_so_and_the_letter_is_not_understood(tmp_path: Path) -> None:
    report = the_report(tmp_path / "home", a_folder(tmp_path), {})

    assert report["reader"] == OFFLINE
    assert report["documents"][0]["seller_name"] is None or "no_structured_data" in report["documents"][0]["rules"]
    assert report["tokens"] == {"input": 0, "output": 0}


def test_a_model_reads_what_rules_cannot_and_a_person_is_asked_all_the_same(tmp_path: Path) -> None:
    with stub_server(script(_ANSWER)) as stub:
        report = the_report(tmp_path / "home", a_folder(tmp_path), {"REMIT_MODEL": f"{stub.base_url}#reader"})

    (document,) = report["documents"]
    assert report["reader"].startswith("model ")
    assert report["tokens"]["input"] > 0
    assert (document["invoice_number"], document["grand_total"]) == ("KR-2207", "476.00")
    assert document["status"] == "waiting"
    assert "read_by_model" in document["rules"]


def test_what_the_page_does_not_show_does_not_count_whatever_the_model_says(tmp_path: Path) -> None:
    with stub_server(script({**_ANSWER, "grand_total": "9476.00"})) as stub:
        report = the_report(tmp_path / "home", a_folder(tmp_path), {"REMIT_MODEL": f"{stub.base_url}#reader"})

    (document,) = report["documents"]
    assert document["grand_total"] != "9476.00"
    assert "model_not_on_page" in document["rules"]


def test_a_model_cannot_make_a_false_sum_true(tmp_path: Path) -> None:
    letter = _LETTER.replace("EUR 476.00 altogether", "EUR 576.00 altogether")
    with stub_server(script({**_ANSWER, "grand_total": "576.00"})) as stub:
        report = the_report(tmp_path / "home", a_folder(tmp_path, letter), {"REMIT_MODEL": f"{stub.base_url}#reader"})

    assert report["documents"][0]["status"] == "refused"
    assert "totals_arithmetic" in report["documents"][0]["rules"]


@pytest.mark.parametrize("content", ["I cannot help with that.", {"pay": "everything"}, ""])
def test_an_unusable_answer_leaves_the_document_to_a_person(tmp_path: Path, content: Any) -> None:
    with stub_server(script(content)) as stub:
        report = the_report(tmp_path / "home", a_folder(tmp_path), {"REMIT_MODEL": f"{stub.base_url}#reader"})

    assert report["documents"][0]["status"] == "waiting"
    assert report["paid"] == []


def test_a_priced_model_costs_what_it_used_within_the_budget(tmp_path: Path) -> None:
    with stub_server(script(_ANSWER)) as stub:
        environment = {"REMIT_MODEL": f"{stub.base_url}#reader", "REMIT_MODEL_PRICE": "3/15"}
        report = the_report(tmp_path / "home", a_folder(tmp_path), environment)

    tokens = report["tokens"]
    assert float(report["cost_usd"]) == pytest.approx((tokens["input"] * 3 + tokens["output"] * 15) / 1e6, abs=1e-5)


def test_a_model_that_is_down_leaves_the_document_to_a_person(tmp_path: Path) -> None:
    report = the_report(tmp_path / "home", a_folder(tmp_path), {"REMIT_MODEL": "http://127.0.0.1:9/v1#reader"})

    assert report["documents"][0]["status"] == "waiting"
    assert "model_unusable" in report["documents"][0]["rules"]
