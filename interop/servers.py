"""Real MCP servers behind the door: each is started, its tools are listed, and one is called, by a client library."""

import argparse
import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from served import Source, served

FOLDER = Path(os.environ.get("INTEROP_FOLDER") or Path(__file__).parents[1] / ".interop").absolute()
NPM = {
    "everything": "@modelcontextprotocol/server-everything@2026.8.31",
    "filesystem": "@modelcontextprotocol/server-filesystem@2026.8.31",
    "memory": "@modelcontextprotocol/server-memory@2026.8.31",
}
PYPI = ("mcp-server-git==2026.10.19", "mcp-server-time==2026.10.19")
_CALL_SECONDS = 60


@dataclass(frozen=True)
class Trial:
    """A server, and one call that it must answer."""

    source: Source
    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    #: Stands in the answer.
    says: str = ""


def add_to(parts: Any) -> None:
    """Add this command."""
    parser = parts.add_parser("servers", help="real MCP servers behind the door")
    parser.set_defaults(run=run)


def run(_given: argparse.Namespace) -> int:
    """Try every server, in both forms of the protocol."""
    trials = _installed()
    with served([trial.source for trial in trials]) as home:
        token = home.token()
        told = [
            asyncio.run(asyncio.wait_for(_tried(home.url, token, trial, mode), _CALL_SECONDS))
            for trial in trials
            for mode in ("legacy", "2026-07-28")
        ]
        told.append(asyncio.run(asyncio.wait_for(_joint(home.url, token, trials), _CALL_SECONDS)))
    return int(not all(told))


async def _tried(url: str, token: str, trial: Trial, mode: str) -> bool:
    name = trial.source.name
    headers = {"authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=_CALL_SECONDS) as http,
        Client(streamable_http_client(f"{url}/mcp/{name}", http_client=http), mode=mode) as client,
    ):
        tools = (await client.list_tools()).tools
        answer = await client.call_tool(trial.tool, dict(trial.arguments))
        text = " ".join(getattr(block, "text", "") for block in answer.content)
        fine = not answer.is_error and trial.says in text
        print(f"{'ok  ' if fine else 'FAIL'} {name:11} {mode:10} {len(tools):2} tools, {trial.tool}: {text[:70]!r}")
        return fine


async def _joint(url: str, token: str, trials: list[Trial]) -> bool:
    headers = {"authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=_CALL_SECONDS) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http), mode="auto") as client,
    ):
        names = {tool.name for tool in (await client.list_tools()).tools}
        missing = [trial.source.name for trial in trials if f"{trial.source.name}__{trial.tool}" not in names]
        print(f"{'FAIL' if missing else 'ok  '} joint path: {len(names)} tools")
        return not missing


def _installed() -> list[Trial]:
    FOLDER.mkdir(parents=True, exist_ok=True)
    modules, venv = FOLDER / "node_modules" / ".bin", FOLDER / "servers"
    if not (modules / "mcp-server-everything").exists():
        (FOLDER / "package.json").write_text('{"private": true}', "utf-8")
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent", *NPM.values()], cwd=FOLDER, check=True)
    if not (venv / "bin" / "mcp-server-git").exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(venv / "bin" / "pip"), "install", "--quiet", *PYPI], check=True)
    shown, repository = FOLDER / "shown", FOLDER / "repository"
    shown.mkdir(exist_ok=True)
    (shown / "a.txt").write_text("read through the door\n", "utf-8")
    if not (repository / ".git").exists():
        subprocess.run(["git", "init", "--quiet", str(repository)], check=True)
        identity = ["-c", "user.name=interop", "-c", "user.email=interop@example.com"]
        commit = ["commit", "--quiet", "--allow-empty", "-m", "committed for a look"]
        subprocess.run(["git", "-C", str(repository), *identity, *commit], check=True)
    memory = {"MEMORY_FILE_PATH": str(FOLDER / "memory.json")}
    where = str(repository)
    return [
        Trial(Source("everything", [str(modules / "mcp-server-everything"), "stdio"]), "echo", {"message": "hi"}, "hi"),
        Trial(
            Source("filesystem", [str(modules / "mcp-server-filesystem"), str(shown)]),
            "read_text_file",
            {"path": str(shown / "a.txt")},
            "read through the door",
        ),
        Trial(Source("memory", [str(modules / "mcp-server-memory")], memory), "read_graph", {}, "entities"),
        Trial(
            Source("git", [str(venv / "bin" / "mcp-server-git"), "--repository", where]),
            "git_log",
            {"repo_path": where},
            "committed for a look",
        ),
        Trial(
            Source("time", [str(venv / "bin" / "mcp-server-time"), "--local-timezone", "UTC"]),
            "get_current_time",
            {"timezone": "UTC"},
            "UTC",
        ),
    ]
