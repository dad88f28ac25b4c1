"""A home of its own for one framework: a scripted model and a tool server behind it, and what its record says."""

import importlib.util
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from served import Home, serving

HERE = Path(__file__).parent
STUB = HERE.parents[1] / "shared" / "tools" / "stub_llm" / "stub.py"
MODEL = "gpt-4.1-mini"
AGENT = "clerk"
NOTED = "noted.jsonl"
_PATIENCE_SECONDS = 30.0

RESOURCES = """\
apiVersion: remit/v1
kind: ToolSource
name: llm
models:
  url: {model_url}
  models: {{{model}: {{model: stub, price: "1.00/2.00", max_output_tokens: 200}}}}
credential: {{ref: "env:LLM_KEY"}}
network: {{allow: [127.0.0.1/32]}}
---
apiVersion: remit/v1
kind: ToolSource
name: office
mcp: {{url: "{office_url}"}}
credential: {{ref: "env:OFFICE_KEY"}}
network: {{allow: [127.0.0.1/32]}}
tools:
  find_invoice: {{tier: read-only}}
  pay_invoice: {{tier: critical}}
  delete_invoice: {{tier: critical}}
---
apiVersion: remit/v1
kind: Agent
name: clerk
version: 1.0.0
run: {{connected: true}}
skills: []
tools: ["llm__*", "office__*"]
budget: {{amount: "1.00", currency: USD}}
max_turns: 100
---
apiVersion: remit/v1
kind: Policy
name: looks
agents: [clerk]
tools: ["llm__*", office__find_invoice]
---
apiVersion: remit/v1
kind: Policy
name: pays
agents: [clerk]
tools: [office__pay_invoice]
require_approval: [office__pay_invoice]
---
apiVersion: remit/v1
kind: Policy
name: keeps
agents: [clerk]
tools: [office__delete_invoice]
conditions:
  - name: nothing_is_deleted
    when: "true"
    effect: deny
    message: Invoices are kept for ten years.
"""

#: What the model does: it looks, asks for what is forbidden, then for what a person must agree to, and says what it
#: was told.
SCRIPT = {
    "conversations": [
        {
            "turns": [
                {"tool_calls": [{"name": "find_invoice", "arguments": {"number": "R-17"}}]},
                {"tool_calls": [{"name": "delete_invoice", "arguments": {"number": "R-17"}}]},
                {"tool_calls": [{"name": "pay_invoice", "arguments": {"number": "R-17", "amount": 250}}]},
                {"content": "FOUND {{tool:0}} REFUSED {{tool:1}} THEN {{tool:2}}"},
            ]
        }
    ]
}


class Governed:
    """The served home, the model and the tool server as a check sees them."""

    def __init__(self, home: Home, stub: Any) -> None:
        self.home = home
        self.stub = stub

    def get(self, path: str) -> Any:
        """What REST answers, below `/api/v1`."""
        told = json.loads((self.home.folder / "serve.json").read_text("utf-8"))
        headers = {"authorization": f"Bearer {told['token']}"}
        return httpx2.get(f"{told['address']}/api/v1{path}", headers=headers, timeout=30).raise_for_status().json()

    def entries(self) -> list[dict[str, Any]]:
        """The whole record, oldest first."""
        return list(self.get("/ledger?limit=10000"))

    def noted(self) -> list[dict[str, Any]]:
        """What reached the tool server, oldest first."""
        path = self.home.folder.parent / NOTED
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []

    def until(self, true: Callable[[], bool]) -> bool:
        """Look again and again, for a bounded time."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while not true():
            if time.monotonic() > end:
                return False
            time.sleep(0.1)
        return True


@contextmanager
def governed() -> Iterator[Governed]:
    """Serve a new home until the block ends. Only its environment has the keys of the model and of the tool server."""
    if not STUB.exists():
        raise SystemExit("The scripted model is missing: it is looked for beside the checkout.")
    keys = {"LLM_KEY": secrets.token_hex(16), "OFFICE_KEY": secrets.token_hex(16)}
    with (
        tempfile.TemporaryDirectory(prefix="remit-interop-") as parent,
        _a_model(keys["LLM_KEY"]) as stub,
        _office(Path(parent) / NOTED, keys) as office_url,
    ):
        home = Home(Path(parent) / "home", {**os.environ, **keys})
        resources = Path(parent) / "resources.yaml"
        resources.write_text(RESOURCES.format(model_url=stub.base_url, model=MODEL, office_url=office_url), "utf-8")
        home.remit("init")
        home.remit("apply", "-f", str(resources))
        with serving(home):
            yield Governed(home, stub)


def _a_model(key: str) -> Any:
    """The scripted model; as any model, it calls a tool by the name under which the framework offers it."""
    spec = importlib.util.spec_from_file_location("stub_llm", STUB)
    assert spec is not None
    assert spec.loader is not None
    stub = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stub)

    class Model(stub.StubServer):  # type: ignore[misc] -- known at run time only
        def plan(self, path: str, body: dict[str, Any], authorized: bool) -> tuple[dict[str, Any], str]:
            turn, seed = super().plan(path, body, authorized)
            offered = stub.offered_tools(body)
            for call in turn.get("tool_calls", ()):
                call["name"] = next((name for name in offered if name.endswith(call["name"])), call["name"])
            return turn, seed

    return Model(SCRIPT, api_key=key)


@contextmanager
def _office(noted: Path, keys: Mapping[str, str]) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [sys.executable, str(HERE / "office_server.py"), str(noted), "--port", str(port)]
    process = subprocess.Popen(command, env={**os.environ, **keys})
    try:
        end = time.monotonic() + _PATIENCE_SECONDS
        while not _is_open(port):
            if time.monotonic() > end:
                raise SystemExit("The tool server did not start.")
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.terminate()
        process.wait(30)


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
