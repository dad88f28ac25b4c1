"""Calls over one MCP endpoint, some at once: calls a second, and the processor time of the process that answers.

The caller speaks the protocol by hand, on kept connections, so that it costs little beside what it measures.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

Headers = Callable[[bytes], Awaitable[dict[str, str]]]
_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far, its threads included, its children not."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


class Connection:
    """One kept connection."""

    def __init__(self, url: str, headers: Headers) -> None:
        self._url = urlsplit(url)
        self._headers = headers
        self._session = ""

    async def open(self) -> None:
        """Connect, and shake hands."""
        self._reader, self._writer = await asyncio.open_connection(self._url.hostname, self._url.port)
        client = {"name": "bench", "version": "1"}
        await self.ask("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo=client)
        await self._post({"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def ask(self, method: str, **params: Any) -> Any:
        """One request and its result."""
        body = await self._post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        if body.startswith(b"{"):
            return json.loads(body)["result"]
        found = [json.loads(line[5:]) for line in body.splitlines() if line.startswith(b"data:") and len(line) > 7]
        return next(message["result"] for message in found if "result" in message)

    async def _post(self, message: dict[str, Any]) -> bytes:
        body = json.dumps(message).encode()
        told = {
            "Host": self._url.netloc,
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "Content-Length": str(len(body)),
            **({"Mcp-Session-Id": self._session, "MCP-Protocol-Version": "2025-11-25"} if self._session else {}),
            **await self._headers(body),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        self._writer.write(f"POST {self._url.path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        return await self._answer()

    async def _answer(self) -> bytes:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        if head[0].split()[1] not in {"200", "202"}:
            raise SystemExit(f"{head[0]} {await self._reader.read(400)!r}")
        lines = (line.partition(": ") for line in head[1:] if line)
        fields = {name.lower(): value for name, _, value in lines}
        self._session = fields.get("mcp-session-id", self._session)
        if fields.get("transfer-encoding") != "chunked":
            return await self._reader.readexactly(int(fields.get("content-length", "0")))
        parts = []
        while size := int((await self._reader.readline()).strip(), 16):
            parts.append(await self._reader.readexactly(size))
            await self._reader.readexactly(2)
        await self._reader.readexactly(2)
        return b"".join(parts)

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


async def measure(url: str, tool: str, pid: int, at_once: int, calls: int, headers: Headers) -> dict[str, float]:
    """`calls` calls in all, `at_once` at a time, each with arguments of its own."""
    connections = [Connection(url, headers) for _ in range(at_once)]
    for connection in connections:
        await connection.open()

    async def work(connection: Connection, number: int) -> None:
        for count in range(calls // at_once):
            text = f"text {at_once} {number} {count}"
            result = await connection.ask("tools/call", name=tool, arguments={"text": text})
            if result["content"][0]["text"] != text:
                raise SystemExit(f"not the answer: {result}")

    await asyncio.gather(*(connection.ask("tools/list") for connection in connections))
    cpu, began = cpu_seconds(pid), time.perf_counter()
    await asyncio.gather(*(work(connection, number) for number, connection in enumerate(connections)))
    seconds, cpu = time.perf_counter() - began, cpu_seconds(pid) - cpu
    for connection in connections:
        connection.close()
    made = calls // at_once * at_once
    return {"at_once": at_once, "calls": made, "per_second": made / seconds, "cpu_ms": cpu * 1000 / made}


async def unsigned(_body: bytes) -> dict[str, str]:
    """A peer that asks for no token."""
    return {}


if __name__ == "__main__":
    given_url, given_tool, given_pid = sys.argv[1:4]
    for size, count in ((1, 400), (16, 1600), (64, 1600)):
        print(
            json.dumps(asyncio.run(measure(given_url, given_tool, int(given_pid), size, count, unsigned))), flush=True
        )
