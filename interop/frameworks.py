"""Ordinary agents in the frameworks of others behind the door: two addresses and a token, and no other change."""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checks import after_the_answer, before_the_answer
from governed import AGENT, Governed, governed
from servers import FOLDER
from wall import Wall

HERE = Path(__file__).parent
LOCKS = HERE.parent / "requirements" / "interop"
#: Each framework, and the package whose version is told.
FRAMEWORKS = {
    "openai-agents": "openai-agents",
    "pydantic-ai": "pydantic-ai-slim",
    "langgraph": "langgraph",
    "agno": "agno",
    "agent-framework": "agent-framework-core",
    "google-adk": "google-adk",
    "crewai": "crewai",
}
_RUN_SECONDS = 240
_TOLD_BYTES = 4000


@dataclass(frozen=True)
class Ran:
    """One run of an agent: what it said, and what it said on the side."""

    fine: bool
    said: str
    errors: str


def add_to(parts: Any) -> None:
    """Add this command."""
    parser = parts.add_parser("frameworks", help="agents in the frameworks of others, models and tools governed")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(FRAMEWORKS)}; all where not given")
    parser.add_argument("--remove", action="store_true", help="remove each environment after its run")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Run each, tell in one line how it went, and count."""
    names = given.names or list(FRAMEWORKS)
    unknown = sorted(set(names) - FRAMEWORKS.keys())
    if unknown:
        raise SystemExit(f"{', '.join(unknown)}: not known; known are {', '.join(FRAMEWORKS)}.")
    fine = 0
    for name in names:
        fine += _tried(name)
        if given.remove:
            shutil.rmtree(FOLDER / name, ignore_errors=True)
    print(f"{fine} of {len(names)} frameworks governed, models and tools")
    return int(fine != len(names))


def _tried(name: str) -> bool:
    python = _environment(name)
    with governed() as at, Wall() as wall:
        token = at.home.token(AGENT)
        first = _run(python, name, at, token, wall)
        wrong = before_the_answer(at, first.fine, first.said)
        if not wrong:
            asked = at.get("/approvals")[0]["id"]
            at.home.remit("approvals", "approve", asked)
            at.until(lambda: any(note.get("tool") == "pay_invoice" for note in at.noted()))
            second = _run(python, name, at, token, wall)
            wrong = after_the_answer(at, second.fine, second.said)
            first = second if wrong else first
        outside = ", ".join(sorted(wall.asked_for)) or "nowhere"
        cost = at.get("/cost")["usd_micros"]
        told = f"{len(at.stub.log)} model calls, {len(at.noted())} tool calls, {cost} micro-dollars"
    print(f"{'FAIL' if wrong else 'ok  '} {name:15} {_version(name):8} {told}; turned away on the way to: {outside}")
    for what in wrong:
        print(f"     - {what}")
    if wrong:
        print(f"{first.said}\n{first.errors}"[-_TOLD_BYTES:])
    return not wrong


def _run(python: Path, name: str, at: Governed, token: str, wall: Wall) -> Ran:
    """Run the agent with nothing of the environment but the addresses, the token, and a wall around it."""
    folder = at.home.folder.parent
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "OPENAI_BASE_URL": f"{at.home.url}/v1",
        "OPENAI_API_KEY": token,
        "MCP_URL": f"{at.home.url}/mcp/office",
        **wall.environment,
    }
    # -P: an agent's file may be named as the framework that it imports.
    command = [str(python), "-P", str(HERE / "agents" / f"{name}.py")]
    try:
        done = subprocess.run(
            command, env=environment, cwd=folder, capture_output=True, text=True, timeout=_RUN_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return Ran(False, "", f"It did not end within {_RUN_SECONDS} seconds.")
    return Ran(done.returncode == 0, done.stdout, done.stderr)


def _version(name: str) -> str:
    lines = (LOCKS / f"{name}.lock").read_text("utf-8").splitlines()
    found = (line.partition("==")[2].split()[0] for line in lines if line.startswith(f"{FRAMEWORKS[name]}=="))
    return next(found, "?")


def _environment(name: str) -> Path:
    """The interpreter of the framework's own environment, which is made anew when its lock has changed."""
    lock, folder = LOCKS / f"{name}.lock", FOLDER / name
    python, mark = folder / "bin" / "python", folder / "made-from"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if not mark.exists() or mark.read_text("utf-8") != digest:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        uv = shutil.which("uv")
        if uv:
            install = [uv, "pip", "install", "--quiet", "--python", str(python), "--require-hashes"]
        subprocess.run([*install, "-r", str(lock)], check=True)
        mark.write_text(digest, "utf-8")
    return python
