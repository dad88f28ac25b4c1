"""The tool server behind the door: it knows one key, and writes down every call and every stranger."""

import argparse
import json
import os
from pathlib import Path
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer
from starlette.requests import Request
from starlette.responses import JSONResponse

_INVOICES = {"R-17": {"number": "R-17", "supplier": "Papierhaus", "amount": 250, "currency": "EUR"}}


def an_office(noted: Path, key: str) -> Any:
    """The server's application; `noted` gets a line of JSON for each call."""

    def note(**what: Any) -> None:
        with noted.open("a", encoding="utf-8") as file:
            file.write(json.dumps(what) + "\n")

    app = _tools(note).streamable_http_app()

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and Request(scope).headers.get("authorization") != f"Bearer {key}":
            note(stranger=scope["path"])
            await JSONResponse({"error": "no key"}, 401)(scope, receive, send)
            return
        await app(scope, receive, send)

    return guarded


def _tools(note: Any) -> MCPServer:
    server = MCPServer("office", version="1.0.0", log_level="WARNING")

    @server.tool()
    def find_invoice(number: str) -> dict[str, Any]:
        """Find an invoice by its number."""
        note(tool="find_invoice", number=number)
        return _INVOICES.get(number, {"missing": number})

    @server.tool()
    def pay_invoice(number: str, amount: float) -> dict[str, Any]:
        """Pay an invoice: the amount leaves the account at once."""
        note(tool="pay_invoice", number=number, amount=amount)
        return {"paid": number, "amount": amount}

    @server.tool()
    def delete_invoice(number: str) -> dict[str, Any]:
        """Delete an invoice for good."""
        note(tool="delete_invoice", number=number)
        return {"deleted": number}

    return server


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("noted", type=Path)
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    app = an_office(given.noted, os.environ["OFFICE_KEY"])
    uvicorn.run(app, port=given.port, log_level="warning")


if __name__ == "__main__":
    main()
