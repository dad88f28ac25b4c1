"""The sample mission from end to end: what becomes of each document, before and after people have answered."""

import asyncio
import json
import re
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from remit.bootstrap import create_home, current_principal, open_home
from remit.config import read_settings
from remit.control_plane import ControlPlane, Given
from remit.errors import RemitError
from remit.packs.payables import prepare, resource_files, sample_folder, stage
from remit.packs.payables.reading import read_document

SAMPLE_PAGE = sample_folder().parent / "SAMPLE.md"
STRANGERS = "LT469999000011101001"
NORDLICHTS_SECOND = "DE58299992000004418822"

Scenario = Callable[["Mission"], Awaitable[None]]


class Mission:
    """A mission in a home of its own, driven to its next wait."""

    def __init__(self, plane: ControlPlane, home: Path, mission: str) -> None:
        self.plane, self.home, self.id = plane, home, mission
        self.by = current_principal(plane)

    async def report(self) -> dict[str, dict[str, Any]]:
        await self.plane.missions.drive(self.id, self.by)
        told = await self.plane.missions.report(self.id, self.by)
        return {one["file"]: one for one in told["documents"]}

    async def question(self, file: str) -> dict[str, Any]:
        listed = await self.plane.approvals.all(self.by, mission=self.id)
        asked = [await self.plane.approvals.show(one["id"], self.by) for one in listed]
        (found,) = [one for one in asked if file in one["case"]["title"]]
        return found

    async def answer(self, file: str, verdict: str, **given: Any) -> None:
        asked = await self.question(file)
        await self.plane.approvals.answer(Given(asked["id"], verdict, **given), self.by)

    def payments(self) -> dict[str, tuple[str, str, str]]:
        with sqlite3.connect(self.home / "erp.sqlite") as connection:
            rows = connection.execute("SELECT invoice, vendor, account, amount FROM payments").fetchall()
        return {row[0]: row[1:] for row in rows}

    def add_vendor(self, vendor: str, name: str, iban: str) -> None:
        with sqlite3.connect(self.home / "erp.sqlite") as connection:
            connection.execute("INSERT INTO vendors VALUES (?, ?, NULL, 'active')", (vendor, name))
            connection.execute("INSERT INTO accounts VALUES (?, ?, 'EUR', 1)", (vendor, iban))


def play(tmp_path: Path, scenario: Scenario, folder: Path | None = None) -> None:
    async def go() -> None:
        home = tmp_path / "home"
        settings = read_settings({}, home=home)
        await create_home(settings)
        prepare(home)
        plane = await open_home(settings)
        try:
            by = current_principal(plane)
            await plane.resources.apply(resource_files(), by)
            mission = await plane.missions.submit("payables", stage(home, folder or sample_folder()), by)
            await scenario(Mission(plane, home, mission))
        finally:
            await plane.close()

    asyncio.run(asyncio.wait_for(go(), 120))


def the_table() -> dict[str, tuple[str, list[str]]]:
    """File to status and rules, as the sample's own page says."""
    rows = re.findall(r"^\| `(\S+)` \| (\w+) \| (\S.*?) \| ", SAMPLE_PAGE.read_text("utf-8"), re.MULTILINE)
    return {file: (status, [] if rules == "-" else rules.split(", ")) for file, status, rules in rows}


def test_the_sample_page_names_every_document() -> None:
    assert sorted(the_table()) == sorted(path.name for path in sample_folder().iterdir())


def test_the_structured_samples_keep_their_schema() -> None:
    for path in sample_folder().glob("inv-0[1-8]*.pdf"):
        reading = read_document(path.read_bytes(), path.name)
        assert reading.origin == "xml"
        assert set(reading.rules) <= {"totals_arithmetic", "injected_instruction"}, path.name


def test_what_becomes_of_each_document_is_what_the_page_says(tmp_path: Path) -> None:
    async def scenario(mission: Mission) -> None:
        documents = await mission.report()
        assert {file: (one["status"], one["rules"]) for file, one in documents.items()} == the_table()
        assert mission.payments() == {
            "KB-2026-04417": ("V-1001", "DE66299990000012045500", "316.54"),
            "TSD-2026-119": ("V-1007", "DE05299996000066770012", "3836.56"),
            "4120-26": ("V-1008", "DE42299991000020106000", "1785.00"),
        }

    play(tmp_path, scenario)


def test_a_yes_to_everything_pays_what_waits_and_nothing_else(tmp_path: Path) -> None:
    async def scenario(mission: Mission) -> None:
        documents = await mission.report()
        waiting = [file for file, one in documents.items() if one["status"] == "waiting"]
        for file in waiting:
            await mission.answer(file, "approve")
        after = await mission.report()

        assert {after[file]["status"] for file in waiting} == {"paid"}
        for file in documents.keys() - waiting:
            assert after[file]["status"] == documents[file]["status"]
        assert len(mission.payments()) == 7

    play(tmp_path, scenario)


def test_the_injected_instruction_is_shown_and_reaches_no_payment(tmp_path: Path) -> None:
    async def scenario(mission: Mission) -> None:
        await mission.report()
        asked = await mission.question("inv-07-falkenberg.pdf")
        arguments = asked["case"]["action"]["arguments"]
        assert STRANGERS not in json.dumps(arguments)
        assert arguments["account"] == "DE16299995000010203344"
        assert {one["source"] for one in asked["case"]["evidence"] if "ignore" in one["text"]} == {"page", "xml"}
        assert any(STRANGERS in one["message"] for one in asked["case"]["reasons"])

        # Not even a person can send the money there: an account that is not on file has no permitted origin.
        with pytest.raises(RemitError):
            await mission.answer("inv-07-falkenberg.pdf", "steer", changes={"account": STRANGERS})
        await mission.answer("inv-07-falkenberg.pdf", "approve")
        await mission.report()
        assert mission.payments()["FK-90215"] == ("V-1006", "DE16299995000010203344", "952.00")

    play(tmp_path, scenario)


def test_a_steer_pays_to_the_other_account_on_file(tmp_path: Path) -> None:
    async def scenario(mission: Mission) -> None:
        await mission.report()
        changes = {"account": NORDLICHTS_SECOND, "amount": "7000.00"}
        await mission.answer("inv-02-nordlicht.pdf", "steer", changes=changes)
        document = (await mission.report())["inv-02-nordlicht.pdf"]

        assert document["status"] == "paid"
        assert mission.payments()["NL-10582"] == ("V-1002", NORDLICHTS_SECOND, "7000.00")

    play(tmp_path, scenario)


# --- a vendor that the ERP does not know

_INVOICE = """\
Möwe Fotografie GmbH
Invoice No. MF-77
Invoice date: 2 March 2026
Bill to: Hafenblick Logistik GmbH
Net total: EUR 100.00
VAT 19 %: EUR 19.00
Total due: EUR 119.00
"""


def a_folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "photo.txt").write_text(_INVOICE)
    return tmp_path / "in"


def test_a_vendor_that_was_put_on_file_before_the_yes_is_paid_if_the_policy_lets_it(tmp_path: Path) -> None:
    async def scenario(mission: Mission) -> None:
        before = (await mission.report())["photo.txt"]
        assert (before["status"], before["rules"]) == ("waiting", ["page_only", "vendor_unknown"])

        mission.add_vendor("V-1001x", "Möwe Fotografie GmbH", "DE16299995000010203344")
        await mission.answer("photo.txt", "approve")
        after = (await mission.report())["photo.txt"]
        # On file by now, so that a payment is proposed; this vendor is not among those that the policy allows.
        assert after["payment"]["vendor"] == "V-1001x"
        assert after["status"] in {"waiting", "refused"}
        assert "vendor_unknown" not in after["rules"]
        assert mission.payments() == {}

    play(tmp_path, scenario, a_folder(tmp_path))


def test_a_yes_while_the_vendor_is_still_unknown_pays_nothing_and_asks_nothing_again(tmp_path: Path) -> None:
    async def scenario(mission: Mission) -> None:
        await mission.report()
        await mission.answer("photo.txt", "approve")
        after = (await mission.report())["photo.txt"]

        assert after["status"] == "waiting"
        assert "still not in the ERP" in after["reasons"][-1]
        assert await mission.plane.approvals.all(mission.by, mission=mission.id) == []
        assert mission.payments() == {}

    play(tmp_path, scenario, a_folder(tmp_path))


def test_a_no_refuses(tmp_path: Path) -> None:
    async def scenario(mission: Mission) -> None:
        await mission.report()
        await mission.answer("photo.txt", "reject", note="not ours")
        after = (await mission.report())["photo.txt"]

        assert after["status"] == "refused"
        assert "Rejected: not ours" in after["reasons"]

    play(tmp_path, scenario, a_folder(tmp_path))
