"""The document reader: an MCP server over stdio, in a process of its own, because what it opens comes from strangers.

`python -m remit.packs.payables.document_server --root DIR` offers the documents that stand in the folders of DIR, and
nothing else of the machine.
"""

import argparse
import asyncio
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

from remit.packs.payables.facts import Reading

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
        self._one_at_a_time = Lock()

    def names(self, folder: str) -> list[str]:
        """Every document directly in the folder, by name.

        Raises:
            ToolError: no such folder.
        """
        return [path.name for path in self._files(folder)]

    def listed(self, folder: str, file: str) -> dict[str, Any]:
        return self._listed(self._file(folder, file))

    def read(self, folder: str, file: str) -> dict[str, Any]:
        """One document's reading as JSON, its text capped.

        Raises:
            ToolError: no such document.
        """
        reading = self._reading(self._file(folder, file))
        return replace(reading, text=reading.text[:TEXT_MAX]).to_json()

    # --- inside

    def _files(self, folder: str) -> list[Path]:
        if not _FOLDER.fullmatch(folder):
            raise ToolError("not_found: a folder is one plain name.")
        inside = self._root / folder
        if inside.is_symlink() or not inside.is_dir():
            raise ToolError("not_found: there is no such folder.")
        found = (path for path in inside.iterdir() if path.suffix.lower() in SUFFIXES)
        return sorted(path for path in found if path.is_file() and not path.is_symlink())

    def _file(self, folder: str, file: str) -> Path:
        # Compared with what stands there: a name that leads elsewhere is the name of nothing.
        for path in self._files(folder):
            if path.name == file:
                return path
        raise ToolError("not_found: there is no such document in the folder.")

    def _listed(self, path: Path) -> dict[str, Any]:
        reading = self._reading(path)
        return {"file": path.name, "size": path.stat().st_size, "sha256": reading.sha256, "type": reading.type}

    def _reading(self, path: Path) -> Reading:
        if path.stat().st_size > SIZE_MAX_BYTES:
            return Reading.unreadable(path.name, f"larger than {SIZE_MAX_BYTES} bytes")
        data = path.read_bytes()
        digest = sha256(data).hexdigest()
        # One at a time: the first readings import the libraries, which are not made for several threads at once, and a
        # reading is pure Python, so that threads would win nothing.
        with self._one_at_a_time:
            held = self._readings.get(digest)
            if held is None:
                from remit.packs.payables.reading import read_document  # noqa: PLC0415 -- costs what start-up must not

                held = read_document(data, path.name)
                while len(self._readings) >= _CACHED_MAX:
                    self._readings.pop(next(iter(self._readings)))
                self._readings[digest] = held
        return held if held.file == path.name else replace(held, file=path.name)


def serve(root: Path) -> MCPServer:
    """The server over the documents under `root`."""
    documents = Documents(root)
    server = MCPServer("remit-documents")

    @server.tool()
    async def list_documents(folder: str) -> dict[str, Any]:
        """List a folder's documents by name, each with its size, content hash and type."""
        names = await asyncio.to_thread(documents.names, folder)
        listed = await asyncio.gather(*(asyncio.to_thread(documents.listed, folder, name) for name in names))
        return {"documents": listed}

    @server.tool()
    async def read_document(folder: str, file: str) -> dict[str, Any]:
        """Read one document: what it states, where it states it, and what is wrong with it."""
        return await asyncio.to_thread(documents.read, folder, file)

    return server


def main(arguments: Sequence[str]) -> None:
    """Serve until the input is closed."""
    parser = argparse.ArgumentParser(prog="remit.packs.payables.document_server")
    parser.add_argument("--root", type=Path, required=True, help="the folder whose folders hold documents")
    serve(parser.parse_args(arguments).root).run("stdio")


if __name__ == "__main__":
    main(sys.argv[1:])
