"""Reads the documentation's pages: their fenced blocks, and the commands in them."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: A fenced block: its language, the rest of its info string, its text.
_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_EXIT = re.compile(r"\s+# exit code (\d+)$")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    page: Path
    line: int
    language: str
    #: `file=NAME`, `skip="reason"` and words by themselves.
    info: str
    text: str

    @property
    def file(self) -> str | None:
        """The file that a reader makes of it."""
        found = re.search(r"\bfile=(\S+)", self.info)
        return found[1] if found else None

    @property
    def skip(self) -> str | None:
        """Why it is not run."""
        found = re.search(r'\bskip="([^"]+)"', self.info)
        return found[1] if found else None


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a console block, and what the page shows of its output."""

    text: str
    exit_code: int
    shown: tuple[str, ...]


def markdown() -> list[Path]:
    """Every page of the documentation."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def blocks(page: Path) -> list[Block]:
    """The page's fenced blocks, from top to bottom."""
    text = page.read_text("utf-8")
    found = []
    for match in _FENCE.finditer(text):
        language, _, info = match["info"].strip().partition(" ")
        found.append(Block(page, text.count("\n", 0, match.start()) + 1, language, info, match["text"]))
    return found


def commands(block: Block) -> list[Command]:
    """What stands after each `$ `, with the lines below it."""
    found: list[tuple[str, list[str]]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif found and found[-1][0].endswith("\\"):
            found[-1] = (f"{found[-1][0][:-1]}{line.strip()}", [])
        elif found and line.strip():
            found[-1][1].append(line)
    return [_command(text, shown) for text, shown in found]


def _command(text: str, shown: list[str]) -> Command:
    code = _EXIT.search(text)
    return Command(_EXIT.sub("", text), int(code[1]) if code else 0, tuple(shown))
