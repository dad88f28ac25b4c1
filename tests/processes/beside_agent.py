"""An agent beside a sidecar: finds its door in a file, and makes the calls that are written to it, one line each."""

import json
import sys
import urllib.request
from pathlib import Path

ENV = Path(sys.argv[1])
session = {}


def ask(method, **params):
    told = dict(line.split("=", 1) for line in ENV.read_text().splitlines())
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **session}
    with urllib.request.urlopen(urllib.request.Request(told["REMIT_MCP_URL"], body, headers), timeout=30) as answer:
        if answer.headers["Mcp-Session-Id"]:
            session["Mcp-Session-Id"] = answer.headers["Mcp-Session-Id"]
        return json.load(answer)["result"]


def call(name, arguments):
    try:
        if not session:
            ask("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={"name": "a", "version": "1"})
        result = ask("tools/call", name=name, arguments=arguments)
    except (OSError, KeyError) as gone:
        session.clear()
        return {"gone": type(gone).__name__}
    problem = result.get("_meta", {}).get("remit/problem")
    return {"code": problem["code"]} if problem else {"ok": not result.get("isError")}


for line in sys.stdin:
    print(json.dumps(call(*json.loads(line))), flush=True)
