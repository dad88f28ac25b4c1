"""Governed calls through `/mcp` of a served home: token, signature, the whole door, durable entries, a stdio server.

Prints one JSON line for each number of calls at once, with the processor time of the serving process alone.
"""

import asyncio
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from mcp_load import measure

from remit.identity import Request, RequestSigner, sign

HERE = Path(__file__).parent
SIZES = ((1, 400), (16, 1600), (64, 1600))
RESOURCES = """\
apiVersion: remit/v1
kind: ToolSource
name: upstream
mcp: {{command: [{python}, {upstream}]}}
tools: {{find: {{tier: read-only}}}}
---
apiVersion: remit/v1
kind: Agent
name: caller
version: 1.0.0
run: {{connected: true}}
skills: []
tools: [upstream__find]
---
apiVersion: remit/v1
kind: Policy
name: callers
agents: [caller]
tools: [upstream__find]
"""


def remit(home: Path, *arguments: str) -> str:
    """One command."""
    command = [sys.executable, "-m", "remit.cli", *arguments, "--home", str(home)]
    environment = {**os.environ, "REMIT_ALLOW_UNSANDBOXED": "1"}
    return subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True).stdout


async def signed(signer: RequestSigner, bearer: str, authority: str, body: bytes) -> dict[str, str]:
    """What the agent adds to a request."""
    request = Request("POST", authority, "/mcp", "", body)
    return sign(request, bearer, signer, created=int(time.time()), nonce=secrets.token_urlsafe(16))


async def main(home: Path, pid: int) -> None:
    """Every size in turn, each under a token and a session of its own."""
    import httpx

    told = json.loads((home / "serve.json").read_text("utf-8"))
    signer = RequestSigner.generate()
    for at_once, calls in SIZES:
        asked = {"agent": "caller", "jwk": dict(signer.public.jwk)}
        answer = httpx.post(
            f"{told['address']}/api/v1/tokens", json=asked, headers={"Authorization": f"Bearer {told['token']}"}
        )
        headers = partial(signed, signer, f"Bearer {answer.json()['token']}", told["address"].removeprefix("http://"))
        figures = await measure(f"{told['address']}/mcp", "upstream__find", pid, at_once, calls, headers)
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="remit-bench-") as folder:
        place = Path(folder) / "home"
        remit(place, "init")
        resources = Path(folder) / "resources.yaml"
        command = {"python": json.dumps(sys.executable), "upstream": json.dumps(str(HERE / "mcp_upstream.py"))}
        resources.write_text(RESOURCES.format(**command), "utf-8")
        remit(place, "apply", "-f", str(resources))
        serve = [sys.executable, "-m", "remit.cli", "serve", "--home", str(place), "--port", "0"]
        server = subprocess.Popen(
            serve, env={**os.environ, "REMIT_ALLOW_UNSANDBOXED": "1"}, stdout=subprocess.PIPE, text=True
        )
        try:
            assert server.stdout is not None
            server.stdout.readline()
            asyncio.run(main(place, server.pid))
        finally:
            server.terminate()
            server.wait(30)
