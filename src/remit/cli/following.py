"""Following a mission while it is driven: here, by the server, or by another process."""

import asyncio
from datetime import datetime
from typing import Any

from remit.adapters.system import SystemClock
from remit.cli.client import Client, ProblemAnswered
from remit.cli.views import View

#: How long one look at the events waits; short, so that the end of the drive is seen soon.
_POLL_SECONDS = 0.25
#: How long a command that only answers waits for another process to let go of the home.
BRIEFLY_SECONDS = 1.5
#: A rest that time alone ends so soon is waited out.
_SOON_SECONDS = 60.0
_OVER = frozenset({"waiting", "paused", "halted", "completed", "failed", "cancelled"})


async def catch_up(api: Client, mission: str, view: View, *, silent: bool = True) -> None:
    """Let the view take in what has happened so far."""
    while events := await api.get(f"/missions/{mission}/events", after=view.progress.seq):
        view.take(events, silent=silent)


async def follow(api: Client, mission: str, view: View, *, patience_seconds: float | None = None) -> dict[str, Any]:
    """Drive the mission until it rests or has ended, and show what happens meanwhile.

    Where another process drives the home, its work is followed instead; `patience_seconds` bounds for how long.

    Returns:
        How it rests; `driven_elsewhere` is true where another process holds the home and has not come to rest.
    """
    driving = asyncio.create_task(_drive(api, mission, view, patience_seconds))
    listening = asyncio.create_task(_listen(api, mission, view))
    try:
        with view:
            while True:
                resting = driving.done()
                wait = 0 if resting else _POLL_SECONDS
                events = await api.get(f"/missions/{mission}/events", after=view.progress.seq, wait=wait)
                view.take(events)
                paid = None
                if view.wants_money():
                    paid = (await api.get(f"/missions/{mission}/report")).get("paid")
                view.draw(paid)
                if resting and not events:
                    return await driving
    finally:
        driving.cancel()
        listening.cancel()
        await asyncio.gather(driving, listening, return_exceptions=True)


async def _listen(api: Client, mission: str, view: View) -> None:
    """Hear what models say meanwhile, where a server asks them and the view shows it; it is beside what is followed."""
    while api.served and view.hears:
        async for step, words in api.words(mission, after=view.progress.seq):
            view.hear(step, words)
        await asyncio.sleep(_POLL_SECONDS)


async def _drive(api: Client, mission: str, view: View, patience_seconds: float | None) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    began = loop.time()
    told = patience_seconds is not None
    while True:
        try:
            rest: dict[str, Any] = await api.post(f"/missions/{mission}/drive")
        except ProblemAnswered as answered:
            if answered.code != "home_busy":
                raise
            if not told:
                view.screen.note(f"{answered.problem['detail']} Waiting for it; Ctrl-C ends the waiting only.")
                told = True
        else:
            if patience_seconds is None and await _wakes_soon(rest):
                continue
            return {**rest, "driven_elsewhere": False}
        listed = await api.get(f"/missions/{mission}")
        resting = listed["status"] in _OVER
        if resting or (patience_seconds is not None and loop.time() > began + patience_seconds):
            return {
                "mission": mission,
                "ended": listed["status"] in {"completed", "failed", "cancelled"},
                "halted": False,
                "waiting_for_people": len(listed["approvals"]),
                "driven_elsewhere": not resting,
            }
        await asyncio.sleep(_POLL_SECONDS)


async def _wakes_soon(rest: dict[str, Any]) -> bool:
    """Wait out a rest that time alone ends soon; false where it is another one."""
    if rest["halted"] or rest["waiting_for_people"] or not rest["wakes_at"]:
        return False
    seconds = (datetime.fromisoformat(rest["wakes_at"]) - SystemClock().now()).total_seconds()
    if not 0 < seconds <= _SOON_SECONDS:
        return False
    await asyncio.sleep(seconds)
    return True
