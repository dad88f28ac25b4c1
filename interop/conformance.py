"""The public MCP conformance suite, directly against a server and through the door: nothing may be lost on the way."""

import argparse
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from served import Source, served

SERVER = Path(__file__).parents[1] / "tests" / "adapters" / "mcp" / "full_server.py"
_LINE = re.compile(r"^(PASS|FAIL|KNOWN)\s+(\S+)(.*)$", re.MULTILINE)
_START_SECONDS = 30.0


def add_to(parts: Any) -> None:
    """Add this command."""
    parser = parts.add_parser("conformance", help="the MCP conformance suite, directly and through the door")
    parser.add_argument("--suite", required=True, help="the script that runs the suite: SCRIPT URL [--token TOKEN]")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Run the suite twice and compare."""
    direct = _directly(given.suite)
    with served([Source("full", [sys.executable, str(SERVER)])]) as home:
        through = _suite(given.suite, f"{home.url}/mcp/full", "--token", home.token())
    lost = sorted(name for name, verdict in direct.items() if verdict == "PASS" and through.get(name) != "PASS")
    for told, verdicts in (("directly", direct), ("through the door", through)):
        passed = sum(verdict == "PASS" for verdict in verdicts.values())
        print(f"{told}: {passed} of {len(verdicts)} scenarios passed")
    print(f"lost on the way: {', '.join(lost) or 'none'}")
    return bool(lost or not direct)


def _directly(suite: str) -> dict[str, str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, str(SERVER), str(port)], stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + _START_SECONDS
        while socket.socket().connect_ex(("127.0.0.1", port)) and time.monotonic() < end:
            time.sleep(0.1)
        return _suite(suite, f"http://127.0.0.1:{port}/mcp")
    finally:
        process.terminate()
        process.wait(10)


def _suite(suite: str, *arguments: str) -> dict[str, str]:
    done = subprocess.run([suite, *arguments], stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout)
    return {name: verdict for verdict, name, _ in _LINE.findall(done.stdout)}
