"""What a PDF holds: the text of its pages, its attached files, its metadata. Never raises for a bad document."""

import io
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

#: pypdf tells of every oddity in a file; a document's oddities belong into its reading, not into the log.
logging.getLogger("pypdf").setLevel(logging.CRITICAL)

_PAGES_MAX = 200
_TEXT_MAX = 400_000
_ATTACHMENT_BYTES_MAX = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Pdf:
    """The readable content of a PDF."""

    #: Text by page; empty strings for pages without text.
    pages: tuple[str, ...] = ()
    #: Name to content.
    attachments: Mapping[str, bytes] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    #: Why it cannot be read; empty where it can.
    problem: str = ""


def open_pdf(data: bytes) -> Pdf:
    """Read a PDF as far as it goes."""
    # Imported here: the library takes longer to load than most documents take to read.
    from pypdf import PdfReader  # noqa: PLC0415 -- as said above

    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            return Pdf(problem="it is encrypted and opens with no empty password")
        return Pdf(_pages(reader), _attachments(reader), _metadata(reader))
    except Exception as error:  # noqa: BLE001 -- a stranger's file may break the library in any way: that is its reading
        return Pdf(problem=f"it cannot be opened as a PDF ({type(error).__name__})")


def _pages(reader: object) -> tuple[str, ...]:
    texts: list[str] = []
    room = _TEXT_MAX
    for page in list(reader.pages)[:_PAGES_MAX]:  # type: ignore[attr-defined]  # the reader comes untyped
        try:
            text = _clean(page.extract_text()[:room])
        except Exception:  # noqa: BLE001 -- one broken page leaves the others readable
            text = ""
        texts.append(text)
        room -= len(text)
    return tuple(texts)


def _attachments(reader: object) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    try:
        for name, contents in reader.attachments.items():  # type: ignore[attr-defined]  # the reader comes untyped
            for content in contents:
                # One that is too large is kept as empty, and so as unreadable: the page must not stand in for it.
                found.setdefault(_clean(name), bytes(content) if len(content) <= _ATTACHMENT_BYTES_MAX else b"")
    except Exception:  # noqa: BLE001 -- broken attachments are as good as none
        return found
    return found


def _metadata(reader: object) -> dict[str, str]:
    try:
        return {_clean(str(name)): _clean(str(value)[:2_000]) for name, value in (reader.metadata or {}).items()}  # type: ignore[attr-defined]  # the reader comes untyped
    except Exception:  # noqa: BLE001 -- broken metadata is as good as none
        return {}


def _clean(text: str) -> str:
    """Text that any encoding takes: lone halves of characters, as broken fonts give them, become replacement marks."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return "".join(character if character.isprintable() or character in "\n\t\f " else " " for character in whole)
