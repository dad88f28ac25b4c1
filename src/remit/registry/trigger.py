"""`kind: Trigger`: what happens outside, and what follows from it here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, StrictStr

from remit.quantities import Money
from remit.registry.reach import (
    Credential,
    Network,
    NetworkDocument,
    SharedCredential,
    credential,
    network,
)
from remit.registry.schemas import AmountDocument, Document, ResourceName, worded
from remit.registry.secret_ref import SecretReference
from remit.tools import Confidentiality

_HEADER = worded(r"[A-Za-z0-9-]{1,100}", "a header's name, such as X-Signature")
_SUBJECT = worded(r"[^\s\x00-\x1f]{1,250}", "a subject without blanks, such as orders.created")
_STREAM = worded(r"[^\s.*>\x00-\x1f/\\]{1,200}", "a stream's name without blanks, dots and slashes")
_KEY = worded(r"[^\s\x00-\x1f]{1,200}", "a name without blanks")
_SERVER = r"[^\s/@?#\\]+(:[0-9]{1,5})?"
_NATS = worded(rf"(nats|tls)://{_SERVER}/?", "nats://HOST:PORT or tls://HOST:PORT, without user and password in it")
_REDIS = worded(
    rf"rediss?://{_SERVER}(/[0-9]{{1,3}})?", "redis://HOST:PORT/NUMBER or rediss://..., without user and password in it"
)
NatsAddress = Annotated[StrictStr, _NATS]
RedisAddress = Annotated[StrictStr, _REDIS]
KeyName = Annotated[StrictStr, _KEY]
#: A value of the event: `event.id`, or a field below `event.body`, `event.headers`.
PATH = r"event(\.[A-Za-z0-9_-]{1,100}){1,20}"
EventPath = Annotated[StrictStr, worded(PATH, "a place in the event, such as event.body.order.id")]


class HmacDocument(Document):
    """A signature in a form of the sender's own: HMAC-SHA256 over the body, or over `TIMESTAMP.BODY`."""

    header: Annotated[StrictStr, _HEADER] = Field(description="The header that holds the signature.")
    prefix: Annotated[StrictStr, Field(max_length=40)] = Field("", description="What stands before it, as `sha256=`.")
    encoding: Literal["hex", "base64"] = Field("hex", description="How it is written.")
    timestamp_header: Annotated[StrictStr, _HEADER] | None = Field(
        None,
        description="The header that holds the seconds since 1970. Given one, `TIMESTAMP.BODY` is signed, and what is "
        "older than the tolerance is refused.",
    )


class SignatureDocument(Document):
    """A form of the sender's own."""

    hmac_sha256: HmacDocument = Field(alias="hmac-sha256", description="HMAC-SHA256, with the names of its headers.")


class WebhookDocument(Document):
    """`POST /hooks/NAME`, signed."""

    path: (
        Annotated[StrictStr, worded(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", "letters, digits, '.', '-' and '_'")] | None
    ) = Field(None, description="What stands behind `/hooks/`; the trigger's name where not given.")
    signature: Literal["standard-webhooks", "github"] | SignatureDocument = Field(
        description="`standard-webhooks` (webhook-id, webhook-timestamp, webhook-signature), `github` "
        "(X-Hub-Signature-256), or `{hmac-sha256: {header: ...}}`."
    )
    secret: SecretReference = Field(description="The key of the signature: `env:NAME`, `file:PATH` and so on.")
    secret_before: SecretReference | None = Field(
        None, description="The key before it, which is taken too while senders change over."
    )
    tolerance_seconds: int = Field(300, description="How far a signed time may lie from now.", ge=1, le=3600)
    bytes_max: int = Field(262_144, description="The longest body that is taken, in bytes.", ge=1, le=1_048_576)
    per_second: int = Field(50, description="How many signed requests a second are taken; more come again.", ge=1)


class ApiDocument(Document):
    """`POST /api/v1/events`, by people of this home."""

    principals: tuple[ResourceName, ...] = Field(
        (), description="Who may send it, besides those who may apply resources and the principal of `submit`."
    )


class NatsDocument(Document):
    """Messages of a JetStream stream, through a durable consumer."""

    url: Annotated[StrictStr, _NATS] = Field(description="`nats://HOST:PORT`, or `tls://HOST:PORT`.")
    stream: Annotated[StrictStr, _STREAM] = Field(description="The stream; it must be there.")
    subject: Annotated[StrictStr, _SUBJECT] | None = Field(None, description="Only messages of this subject.")
    durable: Annotated[StrictStr, _STREAM] | None = Field(
        None, description="The consumer's name; `remit-TRIGGER` where not given. It is made where it is not there."
    )
    begin: Literal["new", "all"] = Field(
        "new", description="Where a reader that is made begins: at what comes from then on, or at the oldest."
    )
    credential: SharedCredential | None = Field(None, description="A token (`bearer`) or USER:PASSWORD (`basic`).")
    network: NetworkDocument | None = Field(None, description="What may be reached though it is not public.")


class RedisDocument(Document):
    """Entries of a stream, through a consumer group."""

    url: Annotated[StrictStr, _REDIS] = Field(description="`redis://HOST:PORT/NUMBER`, or `rediss://` with TLS.")
    stream: Annotated[StrictStr, _KEY] = Field(description="The stream's key.")
    group: Annotated[StrictStr, _KEY] | None = Field(
        None, description="The group's name; `remit-TRIGGER` where not given. It is made where it is not there."
    )
    field: Annotated[StrictStr, _KEY] = Field(
        "body", description="The field that holds the event as JSON; an entry without it is an event of its fields."
    )
    begin: Literal["new", "all"] = Field(
        "new", description="Where a reader that is made begins: at what comes from then on, or at the oldest."
    )
    credential: SharedCredential | None = Field(None, description="A password (`bearer`) or USER:PASSWORD (`basic`).")
    network: NetworkDocument | None = Field(None, description="What may be reached though it is not public.")


class ScheduleDocument(Document):
    """Instants by the clock on the wall."""

    cron: Annotated[StrictStr, worded(r"[^\x00-\x1f]{1,100}", "five fields, such as 0 7 * * MON-FRI")] = Field(
        description="Minute, hour, day, month, weekday, as Debian's cron reads them."
    )
    time_zone: Annotated[StrictStr, worded(r"[A-Za-z0-9_+/-]{1,60}", "a time zone, such as Europe/Berlin")] = Field(
        "UTC", description="Whose clock, as the IANA database names it."
    )
    missed: Literal["latest", "skip"] = Field(
        "latest",
        description="What becomes of instants at which Remit did not run: the latest is made up for once, or none.",
    )


class OnDocument(Document):
    """Where events come from; exactly one."""

    webhook: WebhookDocument | None = Field(None, description="Requests of others, signed.")
    api: ApiDocument | None = Field(None, description="Requests of people of this home.")
    nats: NatsDocument | None = Field(None, description="Messages of NATS JetStream.")
    redis: RedisDocument | None = Field(None, description="Entries of a Redis stream.")
    schedule: ScheduleDocument | None = Field(None, description="The clock.")


class SubmitDocument(Document):
    """Begin a mission."""

    workflow: ResourceName = Field(description="The workflow's name.")
    principal: ResourceName = Field(description="For whom; their rights, grants and policies bound it.")
    inputs: dict[str, Any] = Field(
        default_factory=dict,
        description="What it is given. A text `${event.body.x}` gives that value as it is; within a longer text, its "
        "text.",
    )
    budget: AmountDocument | None = Field(None, description="A lower limit than the workflow's own.")


class DeliverDocument(Document):
    """Hand the event to missions that wait for it."""

    event: Annotated[StrictStr, worded(r"[a-z][a-z0-9_.-]{0,99}", "small letters, digits, '.', '_' and '-'")] = Field(
        description="The name under which missions wait for it."
    )
    mission: EventPath | None = Field(
        None,
        description="The place in the event that names the mission; every mission that waits for what the event says "
        "where not given.",
    )


class TriggerDocument(Document):
    """`kind: Trigger` as it stands in a file."""

    name: ResourceName = Field(description="Letters, digits, `-` and `_`.")
    description: StrictStr = Field("", description="What it is for.")
    active: bool = Field(True, description="`false` leaves events where they are.")
    on: OnDocument = Field(description="Where events come from.")
    when: Annotated[StrictStr, Field(max_length=2000)] | None = Field(
        None, description="A CEL expression over `event` that must be true; other events are on record as ignored."
    )
    id: EventPath | None = Field(
        None,
        description="Where the event's id stands; where not given, the id of the form that it comes in. An id is taken "
        "once.",
    )
    verified: tuple[EventPath, ...] = Field(
        (),
        description="Places in the event whose values count as the principal's own words. All others are not trusted.",
    )
    confidentiality: Confidentiality = Field(
        Confidentiality.INTERNAL, description="How widely its values may be told: public, internal or confidential."
    )
    submit: SubmitDocument | None = Field(None, description="Begin a mission.")
    deliver: DeliverDocument | None = Field(None, description="Hand it to missions that wait for it.")
    tries_max: int = Field(
        5, description="How often a message of a stream is tried before it is set aside.", ge=1, le=100
    )
    keep_days: int = Field(30, description="How long the fate of an event is listed.", ge=1, le=3650)


@dataclass(frozen=True, slots=True)
class Hmac:
    """Where a signature stands, and what it covers."""

    header: str
    prefix: str = ""
    encoding: str = "hex"
    timestamp_header: str = ""


@dataclass(frozen=True, slots=True)
class Webhook:
    """`POST /hooks/PATH`."""

    path: str
    #: None for Standard Webhooks.
    hmac: Hmac | None
    secrets: tuple[str, ...]
    tolerance_seconds: int
    bytes_max: int
    per_second: int


@dataclass(frozen=True, slots=True)
class StreamOfOthers:
    """A stream of messages on a server elsewhere."""

    technology: Literal["nats", "redis"]
    url: str
    stream: str
    #: The durable consumer or the group.
    reader: str
    subject: str
    field: str
    #: True where a reader that is made begins at the oldest message.
    from_oldest: bool
    credential: Credential | None
    network: Network


@dataclass(frozen=True, slots=True)
class Schedule:
    """Instants by the clock on the wall."""

    cron: str
    time_zone: str
    missed: Literal["latest", "skip"]


@dataclass(frozen=True, slots=True)
class Submitting:
    """Which mission an event begins."""

    workflow: str
    principal: str
    inputs: Mapping[str, Any]
    budget: Money | None


@dataclass(frozen=True, slots=True)
class Delivering:
    """Which waiting missions an event goes to."""

    event: str
    #: Empty for all that wait and match.
    mission: str


@dataclass(frozen=True, slots=True)
class Trigger:
    """What happens outside, and what follows from it."""

    name: str
    active: bool
    #: Exactly one of these five stands.
    webhook: Webhook | None
    api: tuple[str, ...] | None
    stream: StreamOfOthers | None
    schedule: Schedule | None
    when: str
    id: str
    verified: tuple[str, ...]
    confidentiality: Confidentiality
    #: Exactly one of these two stands.
    submit: Submitting | None
    deliver: Delivering | None
    tries_max: int
    keep_days: int

    @property
    def source(self) -> str:
        """What its values are labelled with."""
        return f"trigger/{self.name}"

    @property
    def comes_by(self) -> str:
        """In one word, how its events come."""
        if self.stream is not None:
            return self.stream.technology
        return "webhook" if self.webhook is not None else "schedule" if self.schedule is not None else "api"


def trigger(document: TriggerDocument) -> Trigger:
    """The document as the rest of Remit sees it."""
    on, submit, deliver = document.on, document.submit, document.deliver
    return Trigger(
        name=document.name,
        active=document.active,
        webhook=None if on.webhook is None else _webhook(on.webhook, document.name),
        api=None if on.api is None else on.api.principals,
        stream=_stream(on, document.name),
        schedule=None if on.schedule is None else Schedule(on.schedule.cron, on.schedule.time_zone, on.schedule.missed),
        when=document.when or "",
        id=document.id or "",
        verified=document.verified,
        confidentiality=document.confidentiality,
        submit=None
        if submit is None
        else Submitting(
            submit.workflow, submit.principal, submit.inputs, submit.budget.money if submit.budget else None
        ),
        deliver=None if deliver is None else Delivering(deliver.event, deliver.mission or ""),
        tries_max=document.tries_max,
        keep_days=document.keep_days,
    )


def _webhook(document: WebhookDocument, name: str) -> Webhook:
    hmac: Hmac | None = None
    if document.signature == "github":
        hmac = Hmac("X-Hub-Signature-256", "sha256=")
    elif isinstance(document.signature, SignatureDocument):
        told = document.signature.hmac_sha256
        hmac = Hmac(told.header, told.prefix, told.encoding, told.timestamp_header or "")
    secrets = tuple(ref for ref in (document.secret, document.secret_before) if ref is not None)
    return Webhook(
        document.path or name, hmac, secrets, document.tolerance_seconds, document.bytes_max, document.per_second
    )


def _stream(on: OnDocument, name: str) -> StreamOfOthers | None:
    if (nats := on.nats) is not None:
        reader, subject = nats.durable or f"remit-{name}", nats.subject or ""
        return StreamOfOthers(
            "nats", nats.url, nats.stream, reader, subject, "", nats.begin == "all", credential(nats.credential),
            network(nats.network),
        )  # fmt: skip
    if (redis := on.redis) is not None:
        reader = redis.group or f"remit-{name}"
        return StreamOfOthers(
            "redis", redis.url, redis.stream, reader, "", redis.field, redis.begin == "all",
            credential(redis.credential), network(redis.network),
        )  # fmt: skip
    return None
