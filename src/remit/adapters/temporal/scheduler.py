"""Has missions carried by workers that listen at Temporal."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import Priority, WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode, TLSConfig

from remit.adapters.temporal.workflow import WAKE, WORKFLOW
from remit.errors import InvalidSetting, SchedulerUnreachable
from remit.ids import MissionId

_RPC_SECONDS = 10.0
_HINT = "Check REMIT_TEMPORAL and the settings beside it, and that Temporal runs."


@dataclass(frozen=True, slots=True)
class TemporalAddress:
    """Where Temporal stands, and which part of it is this home's."""

    target: str
    namespace: str
    #: Names of workflows and queues begin with it, so that several homes may share a namespace.
    home: str
    #: How the connection is protected; None sends it in the clear.
    tls: "TemporalTls | None" = None

    def queue(self, pool: str) -> str:
        """The queue at which the workers of a pool listen."""
        return f"{self.home}/{pool}"

    def workflow(self, mission: MissionId) -> str:
        """The one name under which a mission is scheduled."""
        return f"{self.home}/{mission}"


@dataclass(frozen=True, slots=True)
class TemporalTls:
    """Files of the connection's protection; each is read when the connection is made."""

    #: Whose certificates are trusted; None for the public ones.
    ca: Path | None = None
    #: What this process shows of itself; both or none.
    certificate: Path | None = None
    key: Path | None = None
    #: The file that holds the API key.
    api_key: Path | None = None

    def config(self) -> TLSConfig:
        """As the client takes it.

        Raises:
            InvalidSetting: a file cannot be read.
        """
        ca, certificate, key = (_read(path) for path in (self.ca, self.certificate, self.key))
        return TLSConfig(server_root_ca_cert=ca, client_cert=certificate, client_private_key=key)


@dataclass(frozen=True, slots=True)
class Lane:
    """Where a mission stands in line for a worker."""

    #: The pool whose workers carry it.
    pool: str
    #: With whose missions it shares its turns, without a name of anybody.
    flow: str
    #: Its flow's share beside those of the others.
    weight: float


@dataclass(slots=True)
class TemporalScheduler:
    """Wakes a mission's workflow, or starts it where there is none."""

    address: TemporalAddress
    lane_of: Callable[[MissionId], Awaitable[Lane]]
    _client: Client | None = None
    _connecting: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def wake(self, mission: MissionId) -> None:
        """Start the mission's workflow, or signal the one that runs; both in one request.

        Raises:
            SchedulerUnreachable: Temporal did not take it.
        """
        client, lane = await self.client(), await self.lane_of(mission)
        try:
            await client.start_workflow(
                WORKFLOW,
                mission,
                id=self.address.workflow(mission),
                task_queue=self.address.queue(lane.pool),
                priority=Priority(fairness_key=lane.flow, fairness_weight=lane.weight),
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                start_signal=WAKE,
                rpc_timeout=timedelta(seconds=_RPC_SECONDS),
            )
        except RPCError as error:
            raise self._unreachable(error) from error

    async def ensure(self, mission: MissionId) -> None:
        """Wake the mission unless a worker has it, or is about to get it: each signal stays in the workflow's history.

        Raises:
            SchedulerUnreachable: Temporal did not take it.
        """
        client = await self.client()
        handle = client.get_workflow_handle(self.address.workflow(mission))
        try:
            found = await handle.describe(rpc_timeout=timedelta(seconds=_RPC_SECONDS))
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise self._unreachable(error) from error
        else:
            scheduled = found.raw_description.pending_activities or found.raw_description.HasField(
                "pending_workflow_task"
            )
            if found.status is WorkflowExecutionStatus.RUNNING and scheduled:
                return
        await self.wake(mission)

    async def listeners(self, pool: str) -> int:
        """How many workers have listened at the pool's queue within the last five minutes, as Temporal counts them.

        Raises:
            SchedulerUnreachable: Temporal did not say.
        """
        client = await self.client()
        asked = DescribeTaskQueueRequest(
            namespace=self.address.namespace,
            task_queue=TaskQueue(name=self.address.queue(pool)),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
        try:
            found = await client.workflow_service.describe_task_queue(asked, timeout=timedelta(seconds=_RPC_SECONDS))
        except RPCError as error:
            raise self._unreachable(error) from error
        return len(found.pollers)

    def _unreachable(self, error: RPCError) -> SchedulerUnreachable:
        return SchedulerUnreachable(f"Temporal at {self.address.target}: {error.status.name.lower()}.", hint=_HINT)

    async def client(self) -> Client:
        """The connection, made when it is first needed.

        Raises:
            SchedulerUnreachable: nobody answers there.
        """
        async with self._connecting:
            if self._client is None:
                self._client = await connected(self.address)
            return self._client


async def connected(address: TemporalAddress) -> Client:
    """A connection to Temporal.

    Raises:
        SchedulerUnreachable: nobody answers there, or the namespace is not known.
        InvalidSetting: a file that protects the connection cannot be read.
    """
    tls = address.tls
    key = _read(tls.api_key) if tls is not None else None
    try:
        async with asyncio.timeout(_RPC_SECONDS):
            return await Client.connect(
                address.target,
                namespace=address.namespace,
                tls=tls.config() if tls is not None else False,
                api_key=key.decode().strip() if key is not None else None,
            )
    except (RuntimeError, RPCError, TimeoutError) as error:
        raise SchedulerUnreachable(f"Temporal at {address.target} did not answer.", hint=_HINT) from error


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidSetting(f"{path} cannot be read: {error.strerror}.") from error
