"""What an agent answered, in the door's form."""

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from a2a.types import Message, Part, Task, TaskState
from google.protobuf.json_format import MessageToDict

from remit.gateway.transport import ToolResult

ENDED = frozenset(
    {
        TaskState.TASK_STATE_COMPLETED,
        TaskState.TASK_STATE_FAILED,
        TaskState.TASK_STATE_CANCELED,
        TaskState.TASK_STATE_REJECTED,
    }
)
#: The agent waits for something before it goes on.
WAITING = frozenset({TaskState.TASK_STATE_INPUT_REQUIRED, TaskState.TASK_STATE_AUTH_REQUIRED})
_TOLD_MAX = 1000


def of_message(message: Message) -> ToolResult:
    """An answer at once, without a task."""
    shown = {"state": "completed", "context": message.context_id, **_said(message.parts)}
    return ToolResult({name: value for name, value in shown.items() if value})


def of_task(task: Task) -> ToolResult:
    """A task that has ended, or waits for input or for leave to go on."""
    state = spelled(task.status.state)
    last = _said(task.status.message.parts)
    if task.status.state in ENDED and task.status.state != TaskState.TASK_STATE_COMPLETED:
        return ToolResult(None, error=f"{state}: {' '.join(last.get('text', '').split())[:_TOLD_MAX]}")
    parts = [part for artifact in task.artifacts for part in artifact.parts]
    shown = {
        "state": state,
        "task": task.id,
        "context": task.context_id,
        **_said(parts if task.artifacts else task.status.message.parts),
        "message": last.get("text", "") if task.artifacts or task.status.state in WAITING else "",
        "artifacts": [
            {"name": artifact.name or artifact.artifact_id, **_said(artifact.parts)} for artifact in task.artifacts
        ],
    }
    return ToolResult({name: value for name, value in shown.items() if value})


def spelled(state: int) -> str:
    """A state as the protocol's documents spell it, such as `input-required`."""
    return TaskState.Name(state).removeprefix("TASK_STATE_").lower().replace("_", "-")


def _said(parts: Iterable[Part]) -> dict[str, Any]:
    """Text, structured data and files of some parts."""
    texts: list[str] = []
    data: list[Any] = []
    files: list[Mapping[str, Any]] = []
    for part in parts:
        kind = part.WhichOneof("content")
        if kind == "text":
            texts.append(part.text)
        elif kind == "data":
            data.append(MessageToDict(part.data))
        elif kind in {"url", "raw"}:
            where = {"url": part.url} if kind == "url" else {"base64": base64.b64encode(part.raw).decode("ascii")}
            files.append({"name": part.filename, "media_type": part.media_type, **where})
    said = {"text": "\n".join(texts), "data": data, "files": files}
    return {name: value for name, value in said.items() if value}
