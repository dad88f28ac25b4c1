"""The pack as a newcomer meets it: resource files, sample documents, an ERP, and staging a folder into a home."""

import shutil
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any

from remit.errors import InvalidInput
from remit.packs.payables import erp

#: What the reader opens; anything else in a folder is left out and named.
SUFFIXES = frozenset({".pdf", ".txt", ".md"})
_HERE = Path(str(resources.files("remit.packs.payables")))


def resource_files() -> list[tuple[str, str]]:
    """The pack's resource files, to be applied as any user applies their own."""
    return [(path.name, path.read_text("utf-8")) for path in sorted((_HERE / "resources").glob("*.yaml"))]


def sample_folder() -> Path:
    """The folder of sample documents."""
    return _HERE / "sample" / "documents"


def prepare(home: Path) -> None:
    """Make the home's ERP with its sample vendors and orders; one that is there stays as it is."""
    path = home / "erp.sqlite"
    if not path.exists():
        erp.create(path, _HERE / "sample" / "erp_seed.json")


def stage(home: Path, folder: Path) -> dict[str, Any]:
    """Copy a folder's documents into the home's inbox, so that a mission finds them unchanged a week later.

    Returns:
        The inputs of a `payables` mission.

    Raises:
        InvalidInput: no such folder, or no document in it; nothing was copied.
    """
    documents = documents_in(folder)
    digest = sha256()
    for path in documents:
        digest.update(path.name.encode() + b"\0" + sha256(path.read_bytes()).digest())
    name = f"{digest.hexdigest()[:16]}"
    target = home / "inbox" / name
    if not target.exists():
        half = home / "inbox" / f".{name}"
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(mode=0o700, parents=True)
        for path in documents:
            shutil.copyfile(path, half / path.name)
        half.rename(target)
    return {"folder": name}


def documents_in(folder: Path) -> list[Path]:
    """The documents directly in a folder, by name.

    Raises:
        InvalidInput: no such folder, or no document in it.
    """
    if not folder.is_dir():
        raise InvalidInput(f"There is no folder {folder}.", hint="Name a folder that holds PDF or text documents.")
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and _is_plain_file(path))
    if not found:
        raise InvalidInput(f"{folder} holds no document.", hint="PDF (.pdf) and text (.txt, .md) documents are read.")
    return found


def _is_plain_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()
