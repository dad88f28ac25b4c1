"""ContextForge with stateful sessions before the same tool over HTTP: what another gateway costs here.

contextforge_engine.py PYTHON, where PYTHON has `mcp`, for the server behind it. Prints one JSON line for each number of
calls at once, with the processor time of the gateway's process alone. Its sign-in is on; policy plugins are off.
"""

import asyncio
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from mcp_load import measure

HERE = Path(__file__).parent
SIZES = ((1, 200), (16, 320), (64, 320))
_START_SECONDS = 90.0
_OWNER = "owner@example.com"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def environment(folder: Path) -> dict[str, str]:
    """What the gateway is told: nothing of this machine's, a home in `folder`, secrets made up for this run."""
    return {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "DATABASE_URL": f"sqlite:///{folder / 'gateway.db'}",
        "JWT_SECRET_KEY": secrets.token_urlsafe(40),
        "AUTH_ENCRYPTION_SECRET": secrets.token_urlsafe(40),
        "CSRF_ENABLED": "false",
        "RATE_LIMITING_ENABLED": "false",
        "PLATFORM_ADMIN_EMAIL": _OWNER,
        "PLATFORM_ADMIN_PASSWORD": f"Aa1!{secrets.token_urlsafe(24)}",
        "BASIC_AUTH_PASSWORD": f"Aa1!{secrets.token_urlsafe(24)}",
        "USE_STATEFUL_SESSIONS": "true",
        "SSRF_ALLOW_LOCALHOST": "true",
        "SSRF_ALLOW_PRIVATE_NETWORKS": "true",
        "MCPGATEWAY_UI_ENABLED": "false",
        "PLUGINS_ENABLED": "false",
        "CACHE_TYPE": "memory",
        "LOG_LEVEL": "ERROR",
    }


def bearer(told: dict[str, str]) -> str:
    """A token of the gateway's own making."""
    command = ["-m", "mcpgateway.utils.create_jwt_token", "-u", _OWNER, "--admin", "-e", "60"]
    made = subprocess.run([sys.executable, *command], env=told, stdout=subprocess.PIPE, text=True, check=True).stdout
    return next(word for word in made.split() if word.startswith("eyJ"))


def listens(port: int) -> None:
    """Wait until someone does."""
    end = time.monotonic() + _START_SECONDS
    while socket.socket().connect_ex(("127.0.0.1", port)):
        if time.monotonic() > end:
            raise SystemExit("the gateway did not begin to listen")
        time.sleep(0.2)


def ask(url: str, token: str, body: object = None) -> object:
    """One request to the gateway's own API."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        url, data, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


async def main(url: str, token: str, tool: str, pid: int) -> None:
    """Every size in turn."""

    async def signed(_body: bytes) -> dict[str, str]:
        return {"Authorization": f"Bearer {token}"}

    for at_once, calls in SIZES:
        print(json.dumps(await measure(url, tool, pid, at_once, calls, signed)), flush=True)


if __name__ == "__main__":
    behind, port = free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="remit-bench-") as home:
        told = environment(Path(home))
        command = [sys.executable, "-m", "mcpgateway.cli", "--host", "127.0.0.1", "--port", str(port)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        upstream = subprocess.Popen([sys.argv[1], str(HERE / "mcp_direct_engine.py"), str(behind)], **quiet)
        gateway = subprocess.Popen(command, cwd=home, env=told, start_new_session=True, **quiet)
        try:
            listens(behind)
            listens(port)
            api, token = f"http://127.0.0.1:{port}", bearer(told)
            ask(f"{api}/gateways", token, {
                "name": "up", "url": f"http://127.0.0.1:{behind}/mcp", "transport": "STREAMABLEHTTP",
            })  # fmt: skip
            tools = ask(f"{api}/tools", token)
            made = ask(f"{api}/servers", token, {
                "server": {"name": "bench", "associated_tools": [tool["id"] for tool in tools]},
            })  # fmt: skip
            asyncio.run(main(f"{api}/servers/{made['id']}/mcp/", token, tools[0]["name"], gateway.pid))
        finally:
            upstream.terminate()
            os.killpg(gateway.pid, signal.SIGKILL)
            gateway.wait(30)
