"""A server of the revision 2025-11-25 that offers one tool more after a call, and says so."""

import json
import sys

tools = [{"name": "more", "inputSchema": {"type": "object"}}]


def say(**message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


for line in sys.stdin:
    asked = json.loads(line)
    match asked.get("method"):
        case "initialize":
            result = {
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {"listChanged": True}},
                "serverInfo": {"name": "announcing", "version": "1"},
            }
        case "tools/list":
            result = {"tools": tools}
        case "tools/call":
            tools.append({"name": "extra", "inputSchema": {"type": "object"}})
            say(method="notifications/tools/list_changed")
            result = {"content": [{"type": "text", "text": "done"}]}
        case _:
            if "id" in asked:
                say(id=asked["id"], error={"code": -32601, "message": "Method not found"})
            continue
    say(id=asked["id"], result=result)
