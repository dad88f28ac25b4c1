"""An agent that knows nothing of Remit, and nothing but the standard library: it is told two addresses and a key.

foreign_agent.py TOOL ARGUMENTS [EXIT_CODE | wait]
"""

import json
import os
import signal
import sys
import urllib.request

MCP = os.environ["REMIT_MCP_URL"]
HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}
session = {}


def ask(method, **params):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(MCP, body, {**HEADERS, **session})
    with urllib.request.urlopen(request, timeout=30) as answer:
        if answer.headers["Mcp-Session-Id"]:
            session["Mcp-Session-Id"] = answer.headers["Mcp-Session-Id"]
        return json.load(answer)["result"]


def stopped(number, _frame):
    # Past the buffer: the signal may come while the answer is still being printed.
    os.write(1, (json.dumps({"signal": number}) + "\n").encode())
    sys.exit(9)


signal.signal(signal.SIGTERM, stopped)
client = {"name": "foreign", "version": "1"}
ask("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo=client)
tools = [tool["name"] for tool in ask("tools/list")["tools"]]
models = urllib.request.Request(
    f"{os.environ['OPENAI_BASE_URL']}/models", headers={"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
)
with urllib.request.urlopen(models, timeout=30) as answer:
    offered = json.load(answer)["data"]
result = ask("tools/call", name=sys.argv[1], arguments=json.loads(sys.argv[2]))
told = [name for name in os.environ if name.startswith("REMIT_")]
print(json.dumps({"tools": tools, "models": offered, "result": result, "told": told}), flush=True)
if sys.argv[3:] == ["wait"]:
    signal.pause()
sys.exit(int(sys.argv[3]) if sys.argv[3:] else 0)
