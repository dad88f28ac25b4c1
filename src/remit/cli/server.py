"""`serve`: REST v1 and the driver in one process."""

import os
from typing import Annotated

import typer

from remit.cli.client import settings_of
from remit.cli.options import AsJson, Home
from remit.cli.runner import fast_loop, run
from remit.cli.screen import Screen


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(serve)


def serve(
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes a free one.")] = 8321,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Listen beyond this machine; put a proxy with TLS before it.")
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Serve REST v1 and drive all missions of the home until SIGTERM or Ctrl-C.

    Whoever holds the token of HOME/serve.json acts as the user who started the server: their answers and changes stand
    in the record under that user's name. Only this user can read the file; do not hand the token on.
    """

    async def work(screen: Screen) -> None:
        # The server and all adapters: not for `--help`.
        from remit.api.serve import Address, serve  # noqa: PLC0415 -- as above
        from remit.bootstrap import current_principal, open_home, quiet_collector  # noqa: PLC0415 -- as above
        from remit.control_plane import closing  # noqa: PLC0415 -- as above

        settings = settings_of(home)

        def ready(address: Address) -> None:
            told = {"address": address.url, "home": str(settings.home), "pid": os.getpid()}
            screen.result(told, lambda: screen.say(f"Remit serves {settings.home} at {address.url}"))

        if allow_remote:
            screen.note("warning: the token crosses the network in the clear unless a proxy with TLS stands before it")
        async with closing(await open_home(settings)) as plane:
            quiet_collector()
            await serve(
                plane,
                lambda: current_principal(plane),
                host=host,
                port=port,
                allow_remote=allow_remote,
                ready=ready,
            )
        screen.note("ended; missions stand where they stood")

    run(work, as_json=as_json, loop_factory=fast_loop)
