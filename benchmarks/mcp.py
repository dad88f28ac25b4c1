"""Governed calls through `/mcp` beside another gateway, a proxy without a door, and no gateway at all, one by one.

`make bench-mcp` calls this. Processor time is that of the process that answers, read from the system; the tool's own
process and the caller's are not counted. One caller by hand speaks to all all alike.
"""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import machine

ENGINES = machine.ROOT / "benchmarks" / "engines"
PROXY = machine.ROOT / ".bench" / "mcp" / "bin" / "python"
GATEWAY = machine.ROOT / ".bench" / "contextforge" / "bin" / "python"
_START_SECONDS = 30.0


def main() -> None:
    """Print one table."""
    rows = [
        ("Remit: token, signature, the whole door, durable entries", _lines([sys.executable, _at("mcp_remit_engine")]))
    ]
    if PROXY.exists():
        rows.append(("fastmcp proxy, one shared client", _beside(PROXY, "fastmcp_proxy_engine")))
    if GATEWAY.exists():
        command = [str(GATEWAY), _at("contextforge_engine"), sys.executable]
        rows.append(("ContextForge, stateful sessions, its sign-in on", _lines(command)))
    rows.append(("no gateway: the protocol's own library", _beside(Path(sys.executable), "mcp_direct_engine")))
    for name, told in machine.describe(Path.cwd()).items():
        print(f"{name}: {told}")
    print(f"load: {machine.load()}")
    print(f"{'':58} {'at once':>8} {'calls/s':>9} {'CPU ms/call':>12}")
    for name, figures in rows:
        print(name)
        for figure in figures:
            print(f"{'':58} {figure['at_once']:8} {figure['per_second']:9.0f} {figure['cpu_ms']:12.2f}")


def _beside(python: Path, engine: str) -> list[dict[str, float]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([str(python), _at(engine), str(port)], stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + _START_SECONDS
        while socket.socket().connect_ex(("127.0.0.1", port)) and time.monotonic() < end:
            time.sleep(0.1)
        return _lines([sys.executable, _at("mcp_load"), f"http://127.0.0.1:{port}/mcp", "find", str(process.pid)])
    finally:
        process.terminate()
        process.wait(30)


def _lines(command: list[str]) -> list[dict[str, float]]:
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def _at(engine: str) -> str:
    return str(ENGINES / f"{engine}.py")


if __name__ == "__main__":
    main()
