"""What is fuzzed: a real home behind its doors, asked in process, so that whatever is raised reaches the test."""

import asyncio
import logging
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass

from hypothesis import HealthCheck, settings
from tests.fuzz.upstream import an_upstream

from remit.api.app import create_app
from remit.api.doors import AgentDoors
from remit.api.serve import listening
from remit.bootstrap import create_home, current_principal, open_home
from remit.config import Settings
from remit.control_plane import closing
from remit.identity import Wish

#: One answer is bounded: what hangs is a finding too.
SECONDS = 20.0
RESOURCES = """\
apiVersion: remit/v1
kind: ToolSource
name: acme
python: {module: tests.control_plane.acme}
tools: {vendor: {tier: read-only, directory: true}}
---
apiVersion: remit/v1
kind: ToolSource
name: llm
models:
  url: %s
  models:
    small: {model: stub, price: "1.00/2.00", max_output_tokens: 100}
    words: {model: stub, price: "0.10/0.00", operations: [embeddings]}
network: {allow: [127.0.0.1/32]}
---
apiVersion: remit/v1
kind: Agent
name: tester
version: 1.0.0
run: {connected: true}
skills: []
tools: ["acme__vendor", "llm__*"]
budget: {amount: "1000.00", currency: USD}
max_turns: 1000
---
apiVersion: remit/v1
kind: Policy
name: all
agents: [tester]
tools: ["*"]
"""


def bounded(examples):
    """The same examples in every run: what CI finds once, it finds always."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@dataclass(frozen=True)
class Answered:
    """A whole HTTP answer."""

    status: int
    headers: dict
    body: bytes

    @property
    def kind(self):
        return self.headers.get(b"content-type", b"").partition(b";")[0].decode()


class _Errors(logging.Handler):
    def __init__(self):
        super().__init__(logging.ERROR)
        self.told = []

    def emit(self, record):
        self.told.append(self.format(record))


class Target:
    """Takes one request after the other, as they come from a caller on this machine."""

    def __init__(self, runner, plane, doors, token):
        self._runner, self.plane, self._doors, self.token = runner, plane, doors, token
        self._errors = _Errors()

    def run(self, work):
        return self._runner.run(asyncio.wait_for(work, SECONDS))

    def ask(self, method, path, headers, body, query=b""):
        """The answer; whatever is raised or logged as an error on the way fails the test."""
        logging.getLogger().addHandler(self._errors)
        self._errors.told.clear()
        try:
            answered = self.run(self._ask(method, path, headers, body, query))
        finally:
            logging.getLogger().removeHandler(self._errors)
        assert not self._errors.told, self._errors.told
        assert answered.status < 500, answered
        return answered

    async def _ask(self, method, path, headers, body, query):
        told, sent, left = [], False, False

        async def receive():
            nonlocal sent, left
            if sent:
                # The caller of a stream that would listen for ever leaves soon; every other hears its answer out.
                await asyncio.sleep(0.01 if b"subscriptions/listen" in body or method == "GET" else SECONDS)
                left = True
                return {"type": "http.disconnect"}
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            told.append(message)

        await self._doors(
            {
                "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "root_path": "",
                "method": method, "path": path, "raw_path": path.encode(), "query_string": query,
                "headers": [(b"host", b"127.0.0.1:8321"), *headers],
                "client": ("127.0.0.1", 50000), "server": ("127.0.0.1", 8321),
            },
            receive,
            send,
        )  # fmt: skip
        await asyncio.sleep(0)
        start, *parts = told
        assert start["type"] == "http.response.start"
        streams = dict(start["headers"]).get(b"content-type", b"").startswith(b"text/event-stream")
        # Nobody hears the end of a stream that its caller has left.
        assert (left and streams) or not parts[-1].get("more_body", False)
        body = b"".join(part.get("body", b"") for part in parts)
        return Answered(start["status"], dict(start["headers"]), body)


@contextmanager
def standing(folder):
    """A target with its own home, agent, tools and models until the block ends."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def stand():
            upstream = await stack.enter_async_context(listening(an_upstream()))
            home = Settings(folder / "home")
            await create_home(home)
            plane = await stack.enter_async_context(closing(await open_home(home)))
            me = current_principal(plane)
            await plane.resources.apply([("fuzz.yaml", RESOURCES % f"{upstream.url}/v1")], me)
            await plane.core.keep_lease()
            app = create_app(plane, lambda: current_principal(plane))
            token = (await plane.tokens.issue("tester", me.id, me, Wish()))["token"]
            return Target(runner, plane, AgentDoors(plane, app), token)

        try:
            yield runner.run(stand())
        finally:
            runner.run(stack.aclose())
