"""The public library's own client, as an agent outside uses it."""

from contextlib import asynccontextmanager

import httpx
from a2a.client import ClientConfig, ClientFactory
from a2a.client.card_resolver import A2ACardResolver
from a2a.types import GetTaskRequest, Message, Part, Role, SendMessageConfiguration, SendMessageRequest, TaskState
from google.protobuf.json_format import MessageToDict, ParseDict


@asynccontextmanager
async def client_of(house, agent="planner", token=None, *, streaming=False):
    """A client that has read the agent's card."""
    headers = {"authorization": f"Bearer {token or await house.token()}"}
    async with httpx.AsyncClient(headers=headers, timeout=30) as http:
        card = await A2ACardResolver(http, f"{house.url}/a2a/{agent}").get_agent_card()
        yield ClientFactory(ClientConfig(streaming=streaming, httpx_client=http)).create(card)


def a_message(data, *, name="m-1", skill="plan", ancestry=(), hops=(), at_once=False):
    message = Message(message_id=name, role=Role.ROLE_USER, parts=[ParseDict({"data": data}, Part())])
    message.metadata.update({"skill": skill, "remit/ancestry": list(ancestry)})
    if hops:
        message.metadata.update({"remit/delegation": list(hops)})
    return SendMessageRequest(message=message, configuration=SendMessageConfiguration(return_immediately=at_once))


async def asked(client, data, **message):
    """The task that comes of a message."""
    (response,) = [response async for response in client.send_message(a_message(data, **message))]
    return response.task


async def look(client, task):
    return await client.get_task(GetTaskRequest(id=task))


def state_of(task):
    return TaskState.Name(task.status.state).removeprefix("TASK_STATE_").lower()


def artifacts_of(task):
    return {one.name: MessageToDict(one.parts[0].data) for one in task.artifacts}
