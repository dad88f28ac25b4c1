"""A home of its own, served, with tool servers of others behind it: made and spoken to by commands alone."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

AGENT = """\
apiVersion: remit/v1
kind: Agent
name: visitor
version: 1.0.0
run: {connected: true}
skills: []
tools: ["*"]
---
apiVersion: remit/v1
kind: Policy
name: visitors
agents: [visitor]
tools: ["*"]
"""


@dataclass(frozen=True)
class Source:
    """A tool server: its command, and what of the environment it gets."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


class Home:
    """A served home."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = environment

    def remit(self, *arguments: str) -> Any:
        """Run one command and return its JSON."""
        command = [sys.executable, "-m", "remit.cli", *arguments, "--home", str(self.folder), "--json"]
        done = subprocess.run(command, env=dict(self.environment), capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"remit {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    @property
    def url(self) -> str:
        """Where it is served."""
        return str(json.loads((self.folder / "serve.json").read_text("utf-8"))["address"])

    def token(self, agent: str = "visitor") -> str:
        """A bearer token for the agent, good for a quarter of an hour."""
        return str(self.remit("token", "--agent", agent, "--ttl", "15m")["token"])


@contextmanager
def served(sources: Sequence[Source]) -> Iterator[Home]:
    """Serve a new home with these sources until the block ends; every tool of theirs may be used unasked."""
    with tempfile.TemporaryDirectory(prefix="remit-interop-") as parent:
        variables = {name: value for source in sources for name, value in source.environment.items()}
        # The servers are those of this script, and stand where they were installed: no walls are put around them.
        environment = {**os.environ, **variables, "REMIT_ALLOW_UNSANDBOXED": "1"}
        home = Home(Path(parent) / "home", environment)
        home.remit("init")
        _apply(home, {"agent.yaml": AGENT, **{f"{s.name}.yaml": _source(s, ()) for s in sources}})
        offered = home.remit("tools")
        for source in sources:
            names = [tool["name"].partition("__")[2] for tool in offered if tool["source"] == source.name]
            _apply(home, {f"{source.name}.yaml": _source(source, names)})
        with serving(home):
            yield home


@contextmanager
def serving(home: Home) -> Iterator[None]:
    """Serve a home until the block ends."""
    serve = [sys.executable, "-m", "remit.cli", "serve", "--home", str(home.folder), "--port", "0"]
    process = subprocess.Popen(serve, env=dict(home.environment), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        if not process.stdout.readline().startswith("Remit serves"):
            raise SystemExit("remit serve did not start")
        yield
    finally:
        process.terminate()
        process.wait(30)


def _source(source: Source, tools: Sequence[str]) -> str:
    declared = {
        "apiVersion": "remit/v1",
        "kind": "ToolSource",
        "name": source.name,
        "mcp": {"command": list(source.command)},
        "env": sorted(source.environment),
        "tools": {name: {"tier": "read-only", "poll": True} for name in tools},
    }
    return json.dumps(declared)


def _apply(home: Home, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = home.folder.parent / name
        path.write_text(text, "utf-8")
        home.remit("apply", "-f", str(path))
