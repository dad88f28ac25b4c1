"""The least that a tool server can be, so that what is measured is what stands before it: one tool, no package.

Over standard input and output; answers `find` with the text that it was given.
"""

import json
import sys

TOOL = {
    "name": "find",
    "description": "Find a text.",
    "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
}


def answer(message):
    """The result of one request; None for what is not known here."""
    if message["method"] == "initialize":
        told = {"name": "upstream", "version": "1"}
        return {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": told}
    if message["method"] == "tools/list":
        return {"tools": [TOOL]}
    if message["method"] == "tools/call":
        return {"content": [{"type": "text", "text": message["params"]["arguments"]["text"]}]}
    return {} if message["method"] == "ping" else None


for line in sys.stdin:
    request = json.loads(line)
    if "id" in request:
        result = answer(request)
        kind = {"error": {"code": -32601, "message": "no such method"}} if result is None else {"result": result}
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": request["id"], **kind}) + "\n")
        sys.stdout.flush()
