"""From the protocol's messages to what is wanted, and from where a mission stands to its tasks. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from a2a.types import Artifact, Message, Part, Role, SendMessageRequest, Task, TaskState, TaskStatus
from google.protobuf.json_format import MessageToDict, ParseDict

from remit.control_plane import Standing, Wanted
from remit.errors import InvalidInput
from remit.missions import MissionStatus

ENDED = frozenset(
    {
        TaskState.TASK_STATE_COMPLETED,
        TaskState.TASK_STATE_FAILED,
        TaskState.TASK_STATE_CANCELED,
        TaskState.TASK_STATE_REJECTED,
    }
)
WAITING = frozenset({TaskState.TASK_STATE_INPUT_REQUIRED})
#: Where the message says which skill it is for, which skills stand above it, and who has signed that.
SKILL, ANCESTRY, DELEGATION = "skill", "remit/ancestry", "remit/delegation"
_NAME_MAX = 200
_ANCESTRY_MAX = 64
_LINK = re.compile(r"[^\s@]{1,200}(@[A-Za-z0-9-]{1,100}/[0-9A-Za-z_-]{1,100})?")
#: A float holds whole numbers exactly up to here; JSON's numbers come as floats through the library.
_WHOLE_MAX = 2**53


def wanted_of(agent: str, request: SendMessageRequest, *, host: str) -> Wanted:
    """What a message asks for, as it arrived at this host.

    Raises:
        InvalidInput: it has no part that can be read, or its metadata is not in form.
    """
    message = request.message
    metadata = {**MessageToDict(request.metadata), **MessageToDict(message.metadata)}
    skill = metadata.get(SKILL, "")
    if not isinstance(skill, str) or max(map(len, (skill, message.message_id, message.context_id))) > _NAME_MAX:
        raise InvalidInput(f"A skill, a message's id and a context have at most {_NAME_MAX} characters.")
    return Wanted(
        agent,
        skill,
        _given(message),
        message.message_id,
        message.context_id,
        _ancestry(metadata.get(ANCESTRY, [])),
        _hops(metadata.get(DELEGATION, [])),
        host,
    )


def _ancestry(told: Any) -> tuple[str, ...]:
    if not isinstance(told, list) or len(told) > _ANCESTRY_MAX:
        raise InvalidInput(f"`{ANCESTRY}` is a list of at most {_ANCESTRY_MAX} skills.")
    if not all(isinstance(link, str) and _LINK.fullmatch(link) for link in told):
        raise InvalidInput(f"`{ANCESTRY}` names each skill as SKILL or SKILL@PLACE.")
    return tuple(told)


def _hops(told: Any) -> tuple[str, ...]:
    if not isinstance(told, list) or not all(isinstance(hop, str) and hop.isascii() for hop in told):
        raise InvalidInput(f"`{DELEGATION}` is a list of signed hops, as text.")
    return tuple(told)


def _given(message: Message) -> Mapping[str, Any]:
    """The skill's input: the data parts together; words stand under `text`."""
    given: dict[str, Any] = {}
    texts = []
    for part in message.parts:
        kind = part.WhichOneof("content")
        if kind == "text":
            texts.append(part.text)
        elif kind == "data":
            data = _whole(MessageToDict(part.data))
            if not isinstance(data, dict):
                raise InvalidInput("A data part is an object with the skill's input.")
            given.update(data)
        else:
            raise InvalidInput("A message holds data and text; files are not taken.")
    if texts:
        given.setdefault("text", "\n".join(texts))
    return given


def _whole(value: Any) -> Any:
    """Whole numbers as such again."""
    if isinstance(value, float) and value.is_integer() and abs(value) < _WHOLE_MAX:
        return int(value)
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return value


def task_of(standing: Standing) -> Task:
    """Where a mission stands, as the protocol's task."""
    state, words = _state(standing)
    status = TaskStatus(state=state)
    if words:
        said = Part(text=words, media_type="text/plain")
        status.message.CopyFrom(
            Message(
                message_id=f"{standing.mission}-{standing.version}",
                task_id=standing.mission,
                context_id=standing.context,
                role=Role.ROLE_AGENT,
                parts=[said],
            )
        )
        told = {"code": standing.code, "rules": list(standing.rules), "approvals": list(standing.approvals)}
        status.message.metadata.update({f"remit/{name}": value for name, value in told.items() if value})
    task = Task(id=standing.mission, context_id=standing.context, status=status)
    if state == TaskState.TASK_STATE_COMPLETED:
        task.artifacts.append(_artifact("output", standing.output))
        if standing.steps:
            task.artifacts.append(_artifact("steps", dict(standing.steps)))
    return task


def _artifact(name: str, value: Any) -> Artifact:
    part = ParseDict({"data": value, "mediaType": "application/json"}, Part())
    return Artifact(artifact_id=name, name=name, parts=[part])


def _state(standing: Standing) -> tuple["TaskState", str]:
    match standing.status:
        case MissionStatus.COMPLETED:
            return TaskState.TASK_STATE_COMPLETED, ""
        case MissionStatus.CANCELLED:
            return TaskState.TASK_STATE_CANCELED, "It was cancelled."
        case MissionStatus.FAILED:
            rules = ", ".join(standing.rules) or standing.code
            if standing.refused:
                return TaskState.TASK_STATE_REJECTED, f"Refused: {standing.code}, rule {rules}."
            return TaskState.TASK_STATE_FAILED, f"Failed: {standing.code}, rule {rules}."
    if standing.approvals:
        asked = ", ".join(standing.approvals)
        return (
            TaskState.TASK_STATE_INPUT_REQUIRED,
            f"A person is asked ({asked}); the task goes on by itself once they have answered.",
        )
    return TaskState.TASK_STATE_WORKING, ""
