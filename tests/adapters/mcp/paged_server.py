"""A server of the older protocol without any package: lists its tools on three pages, and writes what is no message."""

import json
import sys

PAGES = {"": (["a"], "2"), "2": (["b"], "3"), "3": (["c"], None)}


def answer(message):
    if message["method"] == "initialize":
        asked = message["params"]["protocolVersion"]
        return {"protocolVersion": asked, "capabilities": {"tools": {}}, "serverInfo": {"name": "p", "version": "1"}}
    if message["method"] == "tools/list":
        names, following = PAGES[(message.get("params") or {}).get("cursor") or ""]
        page = {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in names]}
        return page | ({"nextCursor": following} if following else {})
    if message["method"] == "tools/call":
        size = message["params"]["arguments"].get("size", 0)
        return {"content": [{"type": "text", "text": "x" * size}]}
    return None


for line in sys.stdin:
    request = json.loads(line)
    if "id" in request:
        result = answer(request)
        kind = {"error": {"code": -32601, "message": "no such method"}} if result is None else {"result": result}
        sys.stdout.write("this is no message\n" + json.dumps({"jsonrpc": "2.0", "id": request["id"], **kind}) + "\n")
        sys.stdout.flush()
