"""`kind: Subscription`: what happens in missions, told to others."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, StrictStr

from remit.registry.names import Names, suggestion
from remit.registry.reach import (
    Address,
    Credential,
    CredentialDocument,
    Network,
    NetworkDocument,
    credential,
    network,
)
from remit.registry.schemas import Document, ResourceName, worded
from remit.registry.secret_ref import SecretReference
from remit.registry.trigger import KeyName, NatsAddress, RedisAddress
from remit.registry.trigger_check import check_credential
from remit.resources import Problem, RawResource

EventPattern = Annotated[
    StrictStr, worded(r"[a-z]+\.([a-z_]+|\*)", "a kind of event, such as mission.completed or approval.*")
]


class WebhookOutDocument(Document):
    """Requests, signed as Standard Webhooks has it."""

    url: Address = Field(description="Where each event is sent with POST.")
    secret: SecretReference = Field(description="The key of the signature: `env:NAME`, `file:PATH` and so on.")
    credential: CredentialDocument | None = Field(None, description="A secret that goes with each request besides.")
    network: NetworkDocument | None = Field(None, description="What may be reached though it is not public.")
    timeout_seconds: int = Field(15, description="How long the answer may take.", ge=1, le=120)


class NatsOutDocument(Document):
    """Messages to a JetStream stream."""

    url: NatsAddress = Field(description="`nats://HOST:PORT`, or `tls://HOST:PORT`.")
    subject: KeyName = Field(description="The subject; some stream must take it.")
    credential: CredentialDocument | None = Field(None, description="A token (`bearer`) or USER:PASSWORD (`basic`).")
    network: NetworkDocument | None = Field(None, description="What may be reached though it is not public.")


class RedisOutDocument(Document):
    """Entries of a Redis stream."""

    url: RedisAddress = Field(description="`redis://HOST:PORT/NUMBER`, or `rediss://` with TLS.")
    stream: KeyName = Field(description="The stream's key.")
    length_max: int = Field(100_000, description="About how many entries the stream keeps.", ge=100, le=100_000_000)
    credential: CredentialDocument | None = Field(None, description="A password (`bearer`) or USER:PASSWORD (`basic`).")
    network: NetworkDocument | None = Field(None, description="What may be reached though it is not public.")


class ToDocument(Document):
    """Where events go; exactly one."""

    webhook: WebhookOutDocument | None = Field(None, description="A request for each event.")
    nats: NatsOutDocument | None = Field(None, description="Messages of NATS JetStream.")
    redis: RedisOutDocument | None = Field(None, description="Entries of a Redis stream.")


class SubscriptionDocument(Document):
    """`kind: Subscription` as it stands in a file."""

    name: ResourceName = Field(description="Letters, digits, `-` and `_`.")
    description: StrictStr = Field("", description="What it is for.")
    active: bool = Field(True, description="`false` tells nothing; what happens meanwhile is told later.")
    events: tuple[EventPattern, ...] = Field(
        description="Kinds of events of missions, such as `mission.completed`, `step.suspended` or `approval.*`.",
        min_length=1,
    )
    workflows: tuple[ResourceName, ...] = Field((), description="Only of missions of these workflows; of all without.")
    to: ToDocument = Field(description="Where events go.")
    give_up_hours: int = Field(
        72, description="For how long an event is tried before it is set aside and the next one is told.", ge=1, le=720
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where the events of a subscription go."""

    technology: Literal["webhook", "nats", "redis"]
    url: str
    #: The subject or the stream; empty for a webhook.
    stream: str
    #: Reference of the key that signs; only of a webhook.
    secret: str
    length_max: int
    timeout_seconds: int
    credential: Credential | None
    network: Network


@dataclass(frozen=True, slots=True)
class Subscription:
    """What happens in missions, told to others."""

    name: str
    active: bool
    events: tuple[str, ...]
    workflows: tuple[str, ...]
    to: Place
    give_up_hours: int

    def wants(self, kind: str) -> bool:
        """True where events of this kind are told."""
        return kind in self.events or f"{kind.partition('.')[0]}.*" in self.events


def subscription(document: SubscriptionDocument) -> Subscription:
    """The document as the rest of Remit sees it."""
    return Subscription(
        document.name,
        document.active,
        document.events,
        document.workflows,
        _place(document.to),
        document.give_up_hours,
    )


def _place(to: ToDocument) -> Place:
    if (hook := to.webhook) is not None:
        reached, secret = network(hook.network), credential(hook.credential)
        return Place("webhook", hook.url, "", hook.secret, 0, hook.timeout_seconds, secret, reached)
    if (nats := to.nats) is not None:
        return Place("nats", nats.url, nats.subject, "", 0, 0, credential(nats.credential), network(nats.network))
    redis = to.redis
    assert redis is not None
    reached, secret = network(redis.network), credential(redis.credential)
    return Place("redis", redis.url, redis.stream, "", redis.length_max, 0, secret, reached)


def check_subscription(raw: RawResource, names: Names) -> list[Problem]:
    """All that is wrong with a subscription whose fields are well-formed."""
    present = [key for key in ("webhook", "nats", "redis") if raw.fields["to"].get(key) is not None]
    problems = []
    if len(present) != 1:
        told = "expected exactly one of `webhook`, `nats`, `redis`"
        problems.append(raw.problem(("to", present[1]) if present else ("to",), told))
    for technology in ("nats", "redis"):
        problems += check_credential(raw, ("to", technology), ("bearer", "basic"))
    problems += [one for one in check_credential(raw, ("to", "webhook"), ()) if not one.where.endswith(".as")]
    for index, workflow in enumerate(raw.fields.get("workflows", [])):
        if workflow not in names.of("Workflow"):
            near = suggestion(workflow, names.of("Workflow"))
            problems.append(raw.problem(("workflows", index), f"there is no Workflow {workflow!r}{near}"))
    return problems
