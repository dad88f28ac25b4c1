"""An agent that speaks A2A, on the public library's own server."""

import asyncio
import socket
from contextlib import contextmanager
from ipaddress import ip_network

from a2a.helpers.proto_helpers import (
    new_data_part,
    new_raw_part,
    new_task_from_user_message,
    new_text_message,
    new_text_part,
)
from a2a.server.agent_execution import AgentExecutor
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes, create_rest_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, AgentInterface, AgentSkill
from google.protobuf.json_format import MessageToDict
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from tests.adapters.served import served

from remit.adapters.a2a import A2aTransport
from remit.adapters.egress import EgressTransport
from remit.registry import A2aSource, Network


class Clerk(AgentExecutor):
    """Does what the first word of its message says."""

    def __init__(self):
        #: Messages as they came, and tasks that were cancelled.
        self.heard = []
        self.cancelled = []

    async def execute(self, context, event_queue):
        self.heard.append(MessageToDict(context.message))
        word = context.get_user_input().split(" ")[0]
        if word == "at-once":
            await event_queue.enqueue_event(new_text_message("done at once", context_id=context.context_id))
            return
        if context.current_task is None:
            await event_queue.enqueue_event(new_task_from_user_message(context.message))
        updater = TaskUpdater(event_queue, context.task_id, context.context_id)
        await updater.start_work()
        match word:
            case "slow":
                await asyncio.sleep(30)
            case "fail":
                await updater.failed(updater.new_agent_message([new_text_part("the printer is out of paper")]))
            case "reject":
                await updater.reject(updater.new_agent_message([new_text_part("not my job")]))
            case "ask":
                await updater.requires_input(updater.new_agent_message([new_text_part("which vendor?")]))
            case "login":
                await updater.requires_auth(updater.new_agent_message([new_text_part("log in first")]))
            case "break":
                raise RuntimeError("hunter2 is the password")
            case _:
                parts = [
                    new_text_part("two orders"),
                    new_data_part({"count": 2, "sum": 1.5}),
                    new_raw_part(b"pdf", filename="o.pdf", media_type="application/pdf"),
                ]
                await updater.add_artifact(parts, name="report")
                await updater.complete(updater.new_agent_message([new_text_part("here it is")]))

    async def cancel(self, context, event_queue):
        self.cancelled.append(context.task_id)
        await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()


def a_card(url, *, binding="JSONRPC", version="1.0", streaming=False, skills=("orders.find", "orders.write")):
    return AgentCard(
        name="Clerk",
        description="Keeps orders.",
        version="1.0.0",
        supported_interfaces=[AgentInterface(url=url, protocol_binding=binding, protocol_version=version)],
        capabilities=AgentCapabilities(streaming=streaming),
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
        skills=[
            AgentSkill(id=name, name=name.title(), description=f"Does {name}.", tags=["orders"]) for name in skills
        ],
    )


def an_app(clerk, card, *, token=None):
    """The agent as an application: JSON-RPC at `/a2a`, REST at `/rest`, the card at its well-known place."""
    handler = DefaultRequestHandler(agent_executor=clerk, task_store=InMemoryTaskStore(), agent_card=card)
    routes = [
        *create_agent_card_routes(card),
        *create_jsonrpc_routes(handler, "/a2a"),
        *create_rest_routes(handler, path_prefix="/rest"),
    ]
    app = Starlette(routes=routes)
    if token is None:
        return app

    async def guarded(scope, receive, send):
        headers = dict(scope.get("headers") or ())
        if scope["type"] == "http" and headers.get(b"authorization") != f"Bearer {token}".encode():
            await JSONResponse({"error": "who?"}, status_code=401)(scope, receive, send)
        else:
            await app(scope, receive, send)

    return guarded


@contextmanager
def serving(clerk=None, *, path="/a2a", token=None, around=lambda app: app, **card):
    """The address of the agent's card."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    described = a_card(f"http://127.0.0.1:{port}{path}", **card)
    with served(around(an_app(clerk or Clerk(), described, token=token)), port) as server:
        yield f"{server.url}/.well-known/agent-card.json"


def a_transport(card, *, injector=None, **declared):
    """A transport that may reach loopback."""
    network = Network((ip_network("127.0.0.1/32"),))
    source = A2aSource(card, **declared)
    return A2aTransport("clerk", source, EgressTransport(network, injector=injector), EgressTransport(network))
