"""The MCP inspector, from its command line, before the door: it lists the tools and calls one."""

import argparse
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from governed import AGENT, governed
from servers import FOLDER

INSPECTOR = "@modelcontextprotocol/inspector@2.12.0"
#: What the inspector runs on, whatever stands on this machine.
NODE = "node@22.23.3"
_SECONDS = 120


def add_to(parts: Any) -> None:
    """Add this command."""
    parser = parts.add_parser("inspector", help="the MCP inspector before the door")
    parser.set_defaults(run=run)


def run(_given: argparse.Namespace) -> int:
    """List the tools, look, and ask for what is forbidden."""
    if shutil.which("npm") is None:
        print("skip inspector: npm is not here")
        return 0
    with governed() as at:
        command = [str(_installed()), "--cli", f"{at.home.url}/mcp/office", "--transport", "http"]
        command += ["--header", f"Authorization: Bearer {at.home.token(AGENT)}"]
        listed = _asked(command, "--method", "tools/list")
        called = _asked(command, *_call("find_invoice"))
        refused = _asked(command, *_call("delete_invoice"))
        names = sorted(tool["name"] for tool in listed.get("tools", ()))
        wrong = [
            told
            for told, fine in (
                (f"it lists {listed}", names == ["delete_invoice", "find_invoice", "pay_invoice"]),
                (f"it is answered {called}", "Papierhaus" in json.dumps(called)),
                (f"it is not refused: {refused}", "policy_denied" in json.dumps(refused)),
                (f"the tool server was asked {at.noted()}", [n.get("tool") for n in at.noted()] == ["find_invoice"]),
            )
            if not fine
        ]
    print(f"{'FAIL' if wrong else 'ok  '} inspector {INSPECTOR.rpartition('@')[2]}: {len(names)} tools, 2 calls")
    for what in wrong:
        print(f"     - {what}")
    return int(bool(wrong))


def _call(tool: str) -> list[str]:
    return ["--method", "tools/call", "--tool-name", tool, "--tool-arg", "number=R-17"]


def _asked(command: list[str], *rest: str) -> dict[str, Any]:
    environment = {**os.environ, "PATH": f"{Path(command[0]).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [*command, *rest], env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    try:
        return dict(json.loads(done.stdout))
    except ValueError:
        return {"said": done.stdout + done.stderr}


def _installed() -> Path:
    folder = FOLDER / "inspector"
    program = folder / "node_modules" / ".bin" / "mcp-inspector"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}', "utf-8")
        subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--silent", INSPECTOR, NODE], cwd=folder, check=True
        )
    return program
