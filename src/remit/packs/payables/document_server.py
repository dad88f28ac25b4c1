"""The document reader: an MCP server over stdio, in a process of its own, because what it opens comes from strangers.

`python -m remit.packs.payables.document_server --root DIR` offers the documents that stand in the folders of DIR, and
nothing else of the machine. It is started with every home's first mission, so that it imports little.
"""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from remit.packs.payables.facts import Reading
from remit.packs.payables.stdio_server import Offered, StdioServer, ToolFailed

SUFFIXES = frozenset({".pdf", ".txt", ".md"})
#: A document that is larger is not opened: a reading must fit in memory.
SIZE_MAX_BYTES = 50_000_000
#: How much of a document's text crosses the connection.
TEXT_MAX = 20_000
_CACHED_MAX = 256
_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class Documents:
    """The documents under one root; what was read is kept by content, so that listing and reading parse once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._readings: dict[str, Reading] = {}

    def listed(self, folder: str) -> dict[str, Any]:
        """Every document directly in the folder, by name.

        Raises:
            ToolFailed: no such folder.
        """
        return {"documents": [self._listed(path) for path in self._files(folder)]}

    def read(self, folder: str, file: str) -> dict[str, Any]:
        """One document's reading as JSON, its text capped.

        Raises:
            ToolFailed: no such document.
        """
        reading = self._reading(self._file(folder, file))
        return replace(reading, text=reading.text[:TEXT_MAX]).to_json()

    # --- inside

    def _files(self, folder: str) -> list[Path]:
        if not _FOLDER.fullmatch(folder):
            raise ToolFailed("not_found: a folder is one plain name.")
        inside = self._root / folder
        if inside.is_symlink() or not inside.is_dir():
            raise ToolFailed("not_found: there is no such folder.")
        found = (path for path in inside.iterdir() if path.suffix.lower() in SUFFIXES)
        return sorted(path for path in found if path.is_file() and not path.is_symlink())

    def _file(self, folder: str, file: str) -> Path:
        # Compared with what stands there: a name that leads elsewhere is the name of nothing.
        for path in self._files(folder):
            if path.name == file:
                return path
        raise ToolFailed("not_found: there is no such document in the folder.")

    def _listed(self, path: Path) -> dict[str, Any]:
        reading = self._reading(path)
        return {"file": path.name, "size": path.stat().st_size, "sha256": reading.sha256, "type": reading.type}

    def _reading(self, path: Path) -> Reading:
        if path.stat().st_size > SIZE_MAX_BYTES:
            return Reading.unreadable(path.name, f"larger than {SIZE_MAX_BYTES} bytes")
        data = path.read_bytes()
        digest = sha256(data).hexdigest()
        held = self._readings.get(digest)
        if held is None:
            from remit.packs.payables.reading import read_document  # noqa: PLC0415 -- costs what start-up must not

            held = read_document(data, path.name)
            while len(self._readings) >= _CACHED_MAX:
                self._readings.pop(next(iter(self._readings)))
            self._readings[digest] = held
        return held if held.file == path.name else replace(held, file=path.name)


def tools(documents: Documents) -> Mapping[str, Offered]:
    """What is offered over the documents.

    The definitions are pinned in every home that has accepted them, titles included: another word in one of them asks
    people to accept it anew.
    """
    return {
        "list_documents": Offered(
            _definition(
                "list_documents",
                "List a folder's documents by name, each with its size, content hash and type.",
                "folder",
            ),
            documents.listed,
        ),
        "read_document": Offered(
            _definition(
                "read_document",
                "Read one document: what it states, where it states it, and what is wrong with it.",
                "folder",
                "file",
            ),
            documents.read,
        ),
    }


def _definition(name: str, description: str, *arguments: str) -> dict[str, Any]:
    return {
        "name": name,
        "description": description,
        "inputSchema": {
            "type": "object",
            "properties": {argument: {"title": argument.capitalize(), "type": "string"} for argument in arguments},
            "required": list(arguments),
            "title": f"{name}Arguments",
        },
        "outputSchema": {"type": "object", "additionalProperties": True, "title": f"{name}DictOutput"},
    }


def main(arguments: Sequence[str]) -> None:
    """Serve until the input is closed."""
    parser = argparse.ArgumentParser(prog="remit.packs.payables.document_server")
    parser.add_argument("--root", type=Path, required=True, help="the folder whose folders hold documents")
    documents = Documents(parser.parse_args(arguments).root)
    StdioServer("remit-documents", tools(documents), source=sys.stdin.buffer, sink=sys.stdout.buffer).run()


if __name__ == "__main__":
    main(sys.argv[1:])
