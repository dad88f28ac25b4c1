"""`connect`: run an agent of any language and framework behind the door."""

import asyncio
import contextlib
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from remit.cli.client import Client, address_of, connected, settings_of
from remit.cli.options import AsJson, Home
from remit.cli.runner import run
from remit.cli.screen import Screen
from remit.config import environment
from remit.errors import InvalidInput

if TYPE_CHECKING:
    from remit.config import Settings

_TOKEN_SECONDS = 600
#: How often and how long the end of a session is looked for; a call that is being carried out may take longer.
_LOOKS, _LOOK_SECONDS = 100, 0.05
_PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT)
#: What a shell adds to the number of the signal that ended a command.
_SIGNALLED = 128


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command(context_settings={"ignore_unknown_options": True})(connect)


def connect(
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND...", help="The agent's program and arguments.")],
    agent: Annotated[str, typer.Option("--agent", metavar="NAME", help="The agent, NAME or NAME@VERSION.")],
    principal: Annotated[
        str, typer.Option("--for", metavar="PRINCIPAL", help="The person for whom it acts; you, where not given.")
    ] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Run an agent behind the door: its tools and models are reached with its rights, and with nothing else.

    The agent is told where the door is by REMIT_MCP_URL, OPENAI_BASE_URL and OPENAI_API_KEY; tokens and signatures are
    added on the way. It works in a session of its own, which ends with it. Signals and the exit code are passed on.
    """

    async def work(screen: Screen) -> int:
        settings = settings_of(home)
        async with _served(settings), connected(settings) as api:
            if not api.served:
                raise InvalidInput("The server of this home does not answer.")
            opened = await api.post("/sessions", {"agent": agent, "for": principal})
            failed = "not_started"
            try:
                async with _beside(api, opened, settings) as addresses:
                    screen.note(f"{opened['agent']} acts for {opened['principal']} in {opened['mission']}")
                    code = await run_agent(command, addresses)
                    failed = f"exit_{code}" if code else ""
            finally:
                ended = await _closed(api, opened["mission"], failed)
            if ended["status"] == "waiting":
                screen.note(f"{ended['id']} waits for people; what they let through is done after their answer")
            return code

    run(work, as_json=as_json)


async def _closed(api: Client, mission: str, failed: str) -> Any:
    """The session's mission at rest: the driver ends it, or leaves it to people."""
    shown = await api.post(f"/sessions/{mission}/close", {"failed": failed})
    for _ in range(_LOOKS):
        if shown["status"] != "working":
            break
        await asyncio.sleep(_LOOK_SECONDS)
        shown = await api.get(f"/missions/{mission}")
    return shown


@contextlib.asynccontextmanager
async def _served(settings: "Settings") -> AsyncIterator[None]:
    """See to it that a server holds the home: the one that does, else one in this process for as long as it takes."""
    if await address_of(settings) is not None:
        yield
        return
    from remit.api.serve import serve  # noqa: PLC0415 -- the server and all adapters: not where one runs
    from remit.bootstrap import current_principal, open_home  # noqa: PLC0415 -- as above
    from remit.control_plane import closing  # noqa: PLC0415 -- as above

    async with closing(await open_home(settings)) as plane:
        ready, ends = asyncio.Event(), asyncio.Event()
        serving = asyncio.create_task(
            serve(plane, lambda: current_principal(plane), port=0, ready=lambda _: ready.set(), ends=ends)
        )
        listens = asyncio.create_task(ready.wait())
        await asyncio.wait({serving, listens}, return_when=asyncio.FIRST_COMPLETED)
        try:
            if ready.is_set():
                yield
        finally:
            listens.cancel()
            ends.set()
            await serving


@contextlib.asynccontextmanager
async def _beside(api: Client, opened: Mapping[str, Any], settings: "Settings") -> AsyncIterator[dict[str, str]]:
    """A door of the agent's own for the session; what the agent is told of it."""
    from remit.adapters.system import SystemClock  # noqa: PLC0415 -- as above
    from remit.api.own_door import OwnDoor, Tokens  # noqa: PLC0415 -- as above
    from remit.api.serve import listening  # noqa: PLC0415 -- as above
    from remit.identity import RequestSigner  # noqa: PLC0415 -- as above

    async def issue(jwk: Mapping[str, str]) -> tuple[str, float]:
        wished = {"agent": opened["agent"], "for": opened["principal"], "mission": opened["mission"]}
        issued = await api.post("/tokens", {**wished, "seconds": _TOKEN_SECONDS, "jwk": dict(jwk)})
        return issued["token"], datetime.fromisoformat(issued["expires_at"]).timestamp()

    base = await address_of(settings)
    assert base is not None
    own = OwnDoor(base, Tokens(issue, RequestSigner.generate(), SystemClock()))
    try:
        async with listening(own) as address:
            yield own.addresses(address.url)
    finally:
        await own.close()


def inherited(variables: Mapping[str, str]) -> dict[str, str]:
    """What an agent is given of its caller's environment; of Remit's own it is told where the door is, and no more."""
    return {name: value for name, value in variables.items() if not name.startswith("REMIT_")}


async def run_agent(command: list[str], addresses: Mapping[str, str]) -> int:
    """Run an agent's program; its exit code, as a shell tells it."""
    try:
        process = await asyncio.create_subprocess_exec(*command, env={**inherited(environment()), **addresses})
    except OSError as error:
        raise InvalidInput(f"{command[0]} cannot be started: {error.strerror}.") from error
    with _passing_on(process):
        code = await process.wait()
    return code if code >= 0 else _SIGNALLED - code


@contextlib.contextmanager
def _passing_on(process: Process) -> Any:
    """Pass signals on; one from the terminal has reached the agent already."""
    loop = asyncio.get_running_loop()

    def passed(number: signal.Signals) -> None:
        if number is signal.SIGINT and sys.stdin is not None and sys.stdin.isatty():
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)

    for number in _PASSED_ON:
        loop.add_signal_handler(number, passed, number)
    try:
        yield
    finally:
        for number in _PASSED_ON:
            loop.remove_signal_handler(number)
