"""What is found around an agent, as ways out."""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from remit.adapters.sandbox import available
from remit.adapters.surroundings.processes import Connection, connections, doors, family, routed, user_of, variables
from remit.adapters.surroundings.secret_names import proxies, secret_files, secret_names
from remit.control_plane import Way

_KEY = "Whoever holds the key reaches its service past every policy, budget and record."
_DOCKER = Path("/var/run/docker.sock")


def around(
    names: Collection[str], credentials: Mapping[str, Sequence[str]], *, home: Path, folder: Path
) -> Iterator[Way]:
    """What an agent finds that is started here, by this user.

    Args:
        names: of the variables that it would be given.
        credentials: references of the sources' secrets, by source.
        home: Remit's.
        folder: where it would be started.
    """
    yield _walls()
    yield _network("agents here", routed())
    yield _identity("agents here", os.access(home / "keys", os.R_OK | os.X_OK), home)
    yield from _told(names, credentials)
    yield from _files(folder)


def beside(pid: int, credentials: Mapping[str, Sequence[str]], door: str, *, home: Path) -> Iterator[Way]:
    """What a running agent and the processes that it started have, and where they are connected.

    Raises:
        InvalidInput: there is no such process, or this user may not look at it.
    """
    who = f"process {pid}"
    yield _network(who, routed(pid))
    yield _identity(who, user_of(pid) == home.stat().st_uid, home)
    told = variables(pid)
    given = {name for name in told if name != "OPENAI_API_KEY"} if doors(pid) else set(told)
    yield from _told(given, credentials)
    place = urlsplit(door)
    known = doors(pid) | ({(str(place.hostname), place.port or 80)} if door else set())
    found = sorted(one for member in family(pid) for one in connections(member) if (one.address, one.port) not in known)
    yield from (_connected(one) for one in found)
    if not found:
        yield Way(who, "closed", "has no open connection but to the door")


def _walls() -> Way:
    if available():
        return Way("walls", "closed", "bubblewrap works here; tool servers run behind it")
    return Way(
        "walls",
        "open",
        "bubblewrap is missing or may not work",
        "Tool servers that come with Remit run without walls; others are refused or run without walls too.",
        "Install bubblewrap, or run Remit where it may make namespaces.",
    )


def _network(who: str, out: bool) -> Way:
    if not out:
        return Way(who, "closed", "no route leads beyond this machine")
    return Way(
        who,
        "open",
        "the network is reached, not the door alone",
        "Any address can be asked, with whatever key is at hand.",
        "Let only the door be reached: `remit doctor egress --network-policy` prints rules for it.",
    )


def _identity(who: str, same: bool, home: Path) -> Way:
    if not same:
        return Way(who, "closed", f"the keys of {home} are another user's")
    return Way(
        who,
        "open",
        f"the user who runs it may read {home}",
        "It could read the home's keys and the server's token, and act as their owner.",
        "Run agents as another user or in a container, with the address of the door and a token.",
    )


def _told(names: Collection[str], credentials: Mapping[str, Sequence[str]]) -> Iterator[Way]:
    held = {
        ref.removeprefix("env:"): source
        for source, refs in credentials.items()
        for ref in refs
        if ref.startswith("env:")
    }
    secret = secret_names(names)
    for name in sorted({*secret, *held} & {*names}):
        what = f"the credential of source {held[name]}" if name in held else secret[name]
        told = f"{name} is among its variables" + (f" ({what})" if what else "")
        yield Way("variables", "open", told, _KEY, f"Take it out of the agent's environment: `env -u {name}`.")
    for name in proxies(names):
        yield Way(
            "variables",
            "open",
            f"{name} is set",
            "Clients in the agent send their requests to that proxy, which may reach what the agent cannot.",
            f"Take it out of the agent's environment: `env -u {name}`.",
        )


def _files(folder: Path) -> Iterator[Way]:
    for shown, names in secret_files(Path.home(), folder):
        told = f"{shown} can be read" + (f": {names}" if names else "")
        yield Way("files", "open", told, _KEY, "Run agents as a user, or in a container, that does not see it.")
    if _DOCKER.exists() and os.access(_DOCKER, os.W_OK):
        yield Way(
            "files",
            "open",
            f"{_DOCKER} can be written",
            "Whoever speaks to it is root on this machine.",
            "Run agents as a user who is not in the group docker.",
        )


def _connected(one: Connection) -> Way:
    if not one.address:
        told = f"process {one.pid} has a {one.protocol} socket that may send anywhere"
    else:
        host = f"[{one.address}]" if ":" in one.address else one.address
        told = f"process {one.pid} is connected to {host}:{one.port} ({one.protocol})"
    return Way(
        "connections",
        "open",
        told,
        "What goes there is in no record and under no policy.",
        "Let only the door be reached: `remit doctor egress --network-policy` prints rules for it.",
    )
