"""Running processes as /proc shows them: who descends from whom, what they are told, where they are connected."""

import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from remit.errors import InvalidInput

PROC = Path("/proc")
#: How an agent is told where the door is.
_DOORS = ("REMIT_MCP_URL", "OPENAI_BASE_URL")
_LISTENS = "0A"


@dataclass(frozen=True, slots=True, order=True)
class Connection:
    """An open socket that leads somewhere."""

    protocol: str
    #: Of the other side; empty for a datagram socket that may send anywhere.
    address: str
    port: int
    pid: int


def family(pid: int) -> list[int]:
    """The process and all that descend from it.

    Raises:
        InvalidInput: there is no such process.
    """
    children: dict[int, list[int]] = {}
    for one in _pids():
        children.setdefault(_parent(one), []).append(one)
    if not (PROC / str(pid)).exists():
        raise InvalidInput(f"There is no process {pid} on this machine.")
    found, front = [pid], [pid]
    while front:
        front = [child for one in front for child in children.get(one, ())]
        found += front
    return found


def agents_of(name: str) -> list[int]:
    """Processes that `remit connect --agent NAME` started."""
    connecting = {pid for pid in _pids() if _connects(pid, name)}
    return [pid for pid in _pids() if _parent(pid) in connecting and doors(pid)]


def variables(pid: int) -> dict[str, str]:
    """The environment in which the process was started.

    Raises:
        InvalidInput: this user may not look at the process.
    """
    pairs = _read(pid, "environ").decode("utf-8", "replace").split("\0")
    return dict(pair.partition("=")[::2] for pair in pairs if "=" in pair)


def doors(pid: int) -> set[tuple[str, int]]:
    """Where the process was told that the door is: hosts and ports."""
    try:
        told = variables(pid)
    except InvalidInput:
        return set()
    places = [urlsplit(told[name]) for name in _DOORS if name in told and "REMIT_MCP_URL" in told]
    return {(str(place.hostname), place.port or 80) for place in places}


def connections(pid: int) -> set[Connection]:
    """Where the process is connected, or is connecting, over IP.

    Raises:
        InvalidInput: this user may not look at the process.
    """
    held = _sockets(pid)
    return {
        Connection(protocol, address, port, pid)
        for protocol in ("tcp", "tcp6", "udp", "udp6")
        for inode, address, port in _table(pid, protocol)
        if inode in held
    }


def routed(pid: int | str = "self") -> bool:
    """Whether anything but the machine itself can be reached from where the process stands."""
    for table, interface in (("route", 0), ("ipv6_route", -1)):
        try:
            lines = (PROC / str(pid) / "net" / table).read_text("ascii").splitlines()
        except OSError:
            continue
        if any((fields := line.split()) and fields[interface] not in {"lo", "Iface"} for line in lines):
            return True
    return False


def user_of(pid: int) -> int:
    """The user as whom the process runs."""
    return (PROC / str(pid)).stat().st_uid


def _table(pid: int, protocol: str) -> Iterator[tuple[str, str, int]]:
    """Inode, address and port of each socket that has another side, or may send to any."""
    for line in _read(pid, f"net/{protocol}").decode("ascii", "replace").splitlines()[1:]:
        fields = line.split()
        address, port = _place(fields[2])
        if port:
            yield fields[9], address, port
        elif protocol.startswith("udp") and fields[3] != _LISTENS:
            yield fields[9], "", 0


def _place(text: str) -> tuple[str, int]:
    """An address as the kernel writes it: words of 32 bits in the machine's own order."""
    host, _, port = text.partition(":")
    words = [bytes.fromhex(host[at : at + 8]) for at in range(0, len(host), 8)]
    packed = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    address = ip_address(packed)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(address), int(port, 16)


def _sockets(pid: int) -> set[str]:
    inodes = set()
    try:
        for link in (PROC / str(pid) / "fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                if found := re.fullmatch(r"socket:\[(\d+)\]", str(link.readlink())):
                    inodes.add(found[1])
    except FileNotFoundError:
        pass  # the process ended
    except PermissionError:
        raise _hidden(pid) from None
    return inodes


def _connects(pid: int, name: str) -> bool:
    try:
        words = _read(pid, "cmdline").decode("utf-8", "replace").split("\0")
    except InvalidInput:
        return False
    if "connect" not in words:
        return False
    own = words[: words.index("--")] if "--" in words else words
    given = [word.partition("=")[2] for word in own if word.startswith("--agent=")]
    given += [value for word, value in pairwise(own) if word == "--agent"]
    return any(name in {value, value.partition("@")[0]} for value in given)


def _pids() -> list[int]:
    try:
        return [int(path.name) for path in PROC.iterdir() if path.name.isdigit()]
    except OSError:
        raise InvalidInput("Processes can be looked at on Linux only.") from None


def _parent(pid: int) -> int:
    try:
        # The name of the program may hold anything, also a closing bracket.
        return int((PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def _read(pid: int, name: str) -> bytes:
    try:
        return (PROC / str(pid) / name).read_bytes()
    except PermissionError:
        raise _hidden(pid) from None
    except OSError:
        return b""


def _hidden(pid: int) -> InvalidInput:
    return InvalidInput(f"Process {pid} may not be looked at by this user.", hint="Look as the user who runs it.")
