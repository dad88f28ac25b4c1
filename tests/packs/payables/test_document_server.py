"""The document reader as a process of its own, over real stdio."""

import asyncio
import shutil
import sys
from pathlib import Path

import pytest

from remit.adapters.mcp import McpStdioTransport
from remit.packs.payables import sample_folder
from remit.packs.payables.facts import Reading
from remit.packs.payables.reading import read_document
from remit.tools import Tool


def with_server(root, scenario):
    """Run `scenario(call)` against a fresh server over `root`."""

    async def main():
        command = [sys.executable, "-m", "remit.packs.payables.document_server", "--root", str(root)]
        transport = McpStdioTransport(command, bundled=True, readable=[root])

        async def call(name, **arguments):
            tool = Tool(f"documents__{name}", "documents", "", {}, timeout_seconds=60)
            return await transport.call(tool, arguments, idempotency_key="m/s/1")

        try:
            return await scenario(call)
        finally:
            await transport.close()

    return asyncio.run(asyncio.wait_for(main(), 120))


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox" / "march"
    folder.mkdir(parents=True)
    for name in ("inv-01-kranich.pdf", "inv-11-scan.pdf", "contract-tessin.pdf", "sop-orders.md"):
        shutil.copy(sample_folder() / name, folder)
    (folder / "picture.png").write_bytes(b"\x89PNG")
    (folder / "inner").mkdir()
    (folder / "inner" / "more.txt").write_text("not directly in the folder")
    (tmp_path / "secret.txt").write_text("outside")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "inbox" / "elsewhere").symlink_to(tmp_path)
    return tmp_path / "inbox"


def test_documents_are_listed_by_name_with_their_type(inbox):
    listed = with_server(inbox, lambda call: call("list_documents", folder="march")).content["documents"]

    assert [(one["file"], one["type"]) for one in listed] == [
        ("contract-tessin.pdf", "contract"),
        ("inv-01-kranich.pdf", "invoice"),
        ("inv-11-scan.pdf", "unreadable"),
        ("sop-orders.md", "procedure"),
    ]
    data = (inbox / "march" / "inv-01-kranich.pdf").read_bytes()
    assert listed[1]["size"] == len(data)
    assert listed[1]["sha256"] == read_document(data, "inv-01-kranich.pdf").sha256


def test_a_reading_crosses_the_connection_whole(inbox):
    answer = with_server(inbox, lambda call: call("read_document", folder="march", file="inv-01-kranich.pdf"))

    data = (inbox / "march" / "inv-01-kranich.pdf").read_bytes()
    assert Reading.from_json(answer.content) == read_document(data, "inv-01-kranich.pdf")


def test_the_text_of_a_document_is_capped(inbox):
    (inbox / "march" / "long.txt").write_text("word " * 10_000)

    answer = with_server(inbox, lambda call: call("read_document", folder="march", file="long.txt"))

    assert len(answer.content["text"]) == 20_000


@pytest.mark.parametrize("folder", ["..", ".", "", "march/inner", "../inbox/march", "nothing", "elsewhere", "/etc"])
def test_no_name_leads_out_of_the_root(inbox, folder):
    answer = with_server(inbox, lambda call: call("list_documents", folder=folder))

    assert answer.error is not None
    assert "not_found" in answer.error


@pytest.mark.parametrize(
    "file", ["link.txt", "../../secret.txt", "inner/more.txt", "picture.png", "nothing.pdf", "/etc/passwd", ""]
)
def test_only_documents_directly_in_the_folder_are_read(inbox, file):
    answer = with_server(inbox, lambda call: call("read_document", folder="march", file=file))

    assert answer.error is not None
    assert "not_found" in answer.error


def test_calls_at_once_are_all_answered(inbox):
    async def scenario(call):
        names = ("inv-01-kranich.pdf", "contract-tessin.pdf", "sop-orders.md", "inv-01-kranich.pdf")
        return await asyncio.gather(*(call("read_document", folder="march", file=name) for name in names))

    answers = with_server(inbox, scenario)

    assert [answer.content["type"] for answer in answers] == ["invoice", "contract", "procedure", "invoice"]
