"""Answering what waits: by asking the person at the terminal, or with one answer for all."""

import asyncio
import sys
from collections import Counter
from typing import Any

from remit.cli.cases import show_case
from remit.cli.client import Client, ProblemAnswered
from remit.cli.screen import Screen
from remit.cli.values import assignments
from remit.errors import InvalidInput

#: How often the questions of one step are answered unseen; a step that keeps asking needs a person.
_SAME_STEP_MAX = 3
_KEYS = {"a": "approve", "r": "reject", "s": "steer"}


class Standing:
    """One answer for every question for which it is open, each once."""

    def __init__(self, verdict: str) -> None:
        self._verdict = verdict
        self._tried: set[str] = set()
        self._steps: Counter[str] = Counter()

    async def answer(self, api: Client, screen: Screen, mission: str) -> int:
        """Answer what is open; returns how many answers were taken."""
        taken = 0
        for approval in await api.get("/approvals", mission=mission):
            step = approval["step"].partition("~")[0]
            open_to_it = self._verdict in approval["answers"] and approval["id"] not in self._tried
            if not open_to_it or self._steps[step] >= _SAME_STEP_MAX:
                continue
            self._tried.add(approval["id"])
            self._steps[step] += 1
            taken += await _give(api, screen, approval, {"verdict": self._verdict, "note": "--answer"})
        return taken


class Asking:
    """Asks the person at the terminal, each question once."""

    def __init__(self) -> None:
        self._later: set[str] = set()

    async def answer(self, api: Client, screen: Screen, mission: str) -> int:
        """Ask about what is open; returns how many answers were taken."""
        taken = 0
        waiting = [a for a in await api.get("/approvals", mission=mission) if a["id"] not in self._later]
        for place, listed in enumerate(waiting, 1):
            approval = await api.get(f"/approvals/{listed['id']}")
            if approval["verdict"]:
                continue
            screen.say()
            screen.say(f"Question {place} of {len(waiting)}", style="dim")
            show_case(screen, approval)
            taken += await self._ask(api, screen, approval)
        return taken

    async def _ask(self, api: Client, screen: Screen, approval: dict[str, Any]) -> int:
        names = [name for name in _KEYS.values() if name in approval["answers"]]
        prompt = "  " + ", ".join(f"[{name[0]}]{name[1:]}" for name in [*names, "later"]) + "? "
        while True:
            typed = await _read(prompt)
            if typed is None or typed.strip().lower() in {"l", "later"}:
                self._later.add(approval["id"])
                return 0
            word = typed.strip().lower()
            verdict = _KEYS.get(word, word)
            if verdict not in names:
                screen.say(f"  Type {', '.join(name[0] for name in names)} or l, then Enter; l leaves it waiting.")
                continue
            body: dict[str, Any] = {"verdict": verdict}
            if verdict == "steer":
                changes = await _changes(screen, approval)
                if not changes:
                    continue
                body["changes"] = changes
            note = await _read("  note (may be empty): ")
            if note and note.strip():
                body["note"] = note.strip()
            if await _give(api, screen, approval, body):
                return 1
            if (await api.get(f"/approvals/{approval['id']}"))["verdict"]:
                return 1  # someone else was first; the mission goes on all the same


async def _changes(screen: Screen, approval: dict[str, Any]) -> dict[str, Any]:
    proposed = (approval["case"].get("action") or {}).get("arguments", {})
    lines = []
    while (line := await _read("  change NAME=VALUE (empty line when done): ")) and line.strip():
        lines.append(line.strip())
    try:
        return assignments(lines, proposed)
    except InvalidInput as error:
        screen.problem(error.to_json())
        return {}


async def _give(api: Client, screen: Screen, approval: dict[str, Any], body: dict[str, Any]) -> bool:
    try:
        answered = await api.post(f"/approvals/{approval['id']}/answer", body)
    except ProblemAnswered as refused:
        # One answer that is not taken must not keep the others from being given.
        screen.note(f"{approval['title']}: not answered")
        for name in ("title", "detail", "rule", "hint"):
            if told := refused.problem.get(name):
                screen.note(f"  rule: {told}" if name == "rule" else f"  {told}")
        return False
    screen.say(f"{answered['verdict']} by {answered['by']}: {approval['title']}")
    return True


async def _read(prompt: str) -> str | None:
    """A line that the person typed; None at the end of the input.

    The loop goes on while the person thinks, and Ctrl-C reaches it: `input` would miss a signal that comes in the
    instant before it begins to wait.
    """
    print(prompt, end="", flush=True)
    await _line_typed()
    line = sys.stdin.readline()  # a terminal hands over a line at once, so this does not wait
    if not line:
        print()
        return None
    return line.rstrip("\n")


async def _line_typed() -> None:
    loop = asyncio.get_running_loop()
    typed = asyncio.Event()
    loop.add_reader(sys.stdin, typed.set)
    try:
        await typed.wait()
    finally:
        loop.remove_reader(sys.stdin)
