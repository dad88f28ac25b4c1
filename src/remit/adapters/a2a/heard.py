"""What an agent tells of a message, joined from its pieces."""

from dataclasses import dataclass

from a2a.types import Artifact, Message, StreamResponse, Task

from remit.adapters.a2a import answers
from remit.errors import ToolUnreachable


@dataclass(slots=True)
class Heard:
    """What an agent has told of a message so far."""

    message: Message | None = None
    task: Task | None = None

    @property
    def settled(self) -> bool:
        """Nothing more is to be heard."""
        return self.message is not None or (
            self.task is not None and self.task.status.state in answers.ENDED | answers.WAITING
        )

    def take(self, told: StreamResponse) -> None:
        """Join what was told to what was heard before.

        Raises:
            ToolUnreachable: it speaks of a task before there is one, or of another.
        """
        kind = told.WhichOneof("payload")
        if kind == "message":
            self.message = told.message
        elif kind == "task":
            self.task = told.task
        elif kind in {"status_update", "artifact_update"}:
            update = getattr(told, kind)
            if self.task is None or update.task_id != self.task.id:
                raise ToolUnreachable("The agent told of a task that it was not asked for.", rule="not_in_form")
            if kind == "status_update":
                self.task.status.CopyFrom(update.status)
            else:
                self._join(self.task, update.artifact, append=update.append)

    @staticmethod
    def _join(task: Task, artifact: Artifact, *, append: bool) -> None:
        known = next((one for one in task.artifacts if one.artifact_id == artifact.artifact_id), None)
        if known is None:
            task.artifacts.append(artifact)
        elif append:
            known.parts.extend(artifact.parts)
        else:
            known.CopyFrom(artifact)
