"""How everything outside is reached: tool sources, the configured model, streams of others, and secrets.

The only place that chooses adapters for them; what speaks a protocol is imported where there is something to speak to.
"""

import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from remit.adapters.mcp import McpStdioTransport
from remit.adapters.pydantic_ai import ModelTransport
from remit.adapters.python import PythonTransport
from remit.adapters.secrets import Secrets, SecretStores
from remit.adapters.secrets import Vault as SecretVault
from remit.adapters.system import KeyFolder, SystemIds
from remit.clock import Clock
from remit.config import Settings, environment
from remit.errors import InvalidSetting
from remit.gateway import Transport, micros_of
from remit.gateway.transport import Handed
from remit.identity import Behalf, HopKey, SubjectKey
from remit.registry import (
    PRINCIPAL,
    Credential,
    Network,
    OpenApi,
    Place,
    SqlSource,
    StreamOfOthers,
    ToolSource,
    file_at,
    network_allowing,
    network_of,
)
from remit.triggers import Inbox, Outbox

if TYPE_CHECKING:
    from remit.adapters.egress import ClientIdentity, EgressTransport

_SECRET_SECONDS = 10.0


def connect(source: ToolSource, settings: Settings, clock: Clock) -> Transport:
    """The transport of a tool source; `{home}` and `{python}` in a command stand for the home and this interpreter."""
    source = _located(source, settings.home)
    secrets, credential = secrets_of(settings), source.credential
    if credential is None or not credential.personal:
        return _connect(source, settings, clock, secrets)
    from remit.adapters.egress.personal import PersonalTransport  # noqa: PLC0415 -- only for such a source

    shared = replace(source, credential=replace(credential, per_person="", exchange=None))
    own = _connect(shared, settings, clock, secrets)
    return PersonalTransport(own, _for_persons(source, credential, settings, clock, secrets), clock)


def _located(source: ToolSource, home: Path) -> ToolSource:
    """The source with the full paths of the files that it is reached with."""
    network, credential = source.network, source.credential
    if network.ca is not None:
        network = replace(network, ca=str(file_at(network.ca, home)))
    if credential is not None and credential.certificate is not None:
        files = credential.certificate
        located = replace(files, file=str(file_at(files.file, home)), key=str(file_at(files.key, home)))
        credential = replace(credential, certificate=located)
    return replace(source, network=network, credential=credential)


def _for_persons(
    source: ToolSource, credential: Credential, settings: Settings, clock: Clock, secrets: Secrets
) -> Callable[[Behalf], Transport]:
    from remit.adapters.egress import EXCHANGED, EgressClient, EgressTransport  # noqa: PLC0415 -- only for such a source
    from remit.adapters.egress.exchange import ExchangedToken  # noqa: PLC0415 -- only for such a source
    from remit.adapters.egress.personal import OwnSecret  # noqa: PLC0415 -- only for such a source

    exchange = credential.exchange
    key = subject_key(settings) if exchange is not None and not exchange.subject_ref else None
    # The authorization server is reached with Remit's own secret and never with the source's.
    asking = EgressClient(EgressTransport(source.network))

    def make(behalf: Behalf) -> Transport:
        one: Secrets = OwnSecret(behalf.principal, secrets)
        ref = credential.per_person.replace(PRINCIPAL, behalf.principal)
        if exchange is not None:
            own, stored = one, exchange.subject_ref.replace(PRINCIPAL, behalf.principal)

            async def subject() -> str:
                if key is None:
                    return await own.resolve(stored)
                name = SystemIds().new("sub")
                audience, now_us = exchange.token_url, micros_of(clock.now())
                return key.issue(behalf, issuer=exchange.issuer, audience=audience, now_us=now_us, name=name)

            one, ref = ExchangedToken(exchange, behalf.principal, asking, secrets, clock, subject), EXCHANGED
        own_secret = replace(credential, ref=ref, per_person="", exchange=None)
        theirs = replace(source, credential=own_secret)
        return _connect(theirs, settings, clock, one)

    return make


def subject_key(settings: Settings) -> SubjectKey:
    """The key that speaks for people to authorization servers; its public half stands in the home for them."""
    key = SubjectKey.of(KeyFolder(settings.home / "keys" / "tokens"))
    told = settings.home / "subject.jwks.json"
    if not told.is_file() or told.read_bytes() != key.jwks:
        told.write_bytes(key.jwks)
    return key


def _connect(source: ToolSource, settings: Settings, clock: Clock, secrets: Secrets) -> Transport:
    if source.module is not None:
        return PythonTransport(source.module, bindings={"home": str(settings.home)}, clock=clock)
    if source.sql is not None:
        return _sql(source, source.sql, settings, clock, secrets)
    if source.command is not None:
        return _started(source, source.command, settings, secrets)
    return _reached(source, settings, clock, secrets)


def _started(source: ToolSource, given: tuple[str, ...], settings: Settings, secrets: Secrets) -> Transport:
    places = {"{home}": str(settings.home), "{python}": sys.executable}
    command = []
    for part in given:
        for name, value in places.items():
            part = part.replace(name, value)  # noqa: PLW2901 -- each place in turn
        command.append(part)
    credential = source.credential if source.credential and source.credential.ref else None
    bundled = given[:2] == ("{python}", "-m") and given[2].startswith("remit.")
    return McpStdioTransport(
        command,
        env_allow=source.env,
        timeout_seconds=source.timeout_seconds,
        bundled=bundled,
        allow_unsandboxed=settings.allow_unsandboxed,
        readable=[settings.home / "inbox"],
        network=source.command_networked,
        credential=None if credential is None else (credential.name, lambda: secrets.resolve(credential.ref)),
    )


def _signing(settings: Settings, clock: Clock) -> Callable[[Handed, str, str], str]:
    """Signs with the home's key what is handed on; the key is made when it is first needed."""

    @cache
    def key() -> HopKey:
        return HopKey.of(KeyFolder(settings.home / "keys" / "tokens"))

    def sign(handed: Handed, message: str, audience: str) -> str:
        return key().sign(
            handed.ancestry,
            before=handed.hops,
            agent=handed.agent,
            message=message,
            audience=audience,
            now_us=micros_of(clock.now()),
        )

    return sign


def _reached(source: ToolSource, settings: Settings, clock: Clock, secrets: Secrets) -> Transport:
    """The transport of a source at an address; what speaks its protocol is imported only where there is one."""
    from remit.adapters.egress import EgressClient, EgressTransport  # noqa: PLC0415 -- as said

    if source.url is not None:
        from remit.adapters.mcp import McpHttpTransport  # noqa: PLC0415 -- as said

        return McpHttpTransport(source.url, egress_of(source, secrets), timeout_seconds=source.timeout_seconds)
    if source.openapi is not None:
        return _openapi(source, source.openapi, settings, secrets)
    if source.soap is not None:
        from remit.adapters.soap import SoapTransport  # noqa: PLC0415 -- as said

        calls, documents = egress_of(source, secrets), EgressTransport(source.network)
        folder = str(settings.home)
        return SoapTransport(source.name, source.soap, EgressClient(calls), EgressClient(documents), folder=folder)
    if source.a2a is not None:
        from remit.adapters.a2a import A2aTransport  # noqa: PLC0415 -- as said

        calls, documents = egress_of(source, secrets), EgressTransport(source.network)
        return A2aTransport(source.name, source.a2a, calls, documents, sign=_signing(settings, clock))
    assert source.models is not None
    return _models(source, secrets)


def _openapi(source: ToolSource, service: OpenApi, settings: Settings, secrets: Secrets) -> Transport:
    from remit.adapters.egress import EgressTransport  # noqa: PLC0415 -- only for such a source
    from remit.adapters.openapi import OpenApiTransport  # noqa: PLC0415 -- only for such a source

    credential, written = source.credential, service.document
    # Whoever describes the service elsewhere is not shown who asks.
    beside = isinstance(written, str) and (not service.base_url or _place(written) == _place(service.base_url))
    return OpenApiTransport(
        service.document,
        egress_of(source, secrets),
        documents=EgressTransport(source.network, identity=_identity(source, secrets) if beside else None),
        base_url=service.base_url,
        folder=settings.home,
        hidden=frozenset({credential.name.lower()} if credential and credential.name else ()),
        timeout_seconds=source.timeout_seconds,
    )


def _place(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _sql(source: ToolSource, database: SqlSource, settings: Settings, clock: Clock, secrets: Secrets) -> Transport:
    from remit.adapters.sql import SqlTransport  # noqa: PLC0415 -- only for such a source

    declared = source.credential
    ref = declared.ref if declared is not None else ""
    secret = (lambda: secrets.resolve(ref)) if ref else None
    return SqlTransport(source.name, database, folder=str(settings.home), clock=clock, secret=secret, credential=ref)


def _models(source: ToolSource, secrets: Secrets) -> Transport:
    from remit.adapters.egress import EgressClient  # noqa: PLC0415 -- only for such a source
    from remit.adapters.openai.prices import Prices  # noqa: PLC0415 -- only for such a source
    from remit.adapters.openai.spec import ModelSpec  # noqa: PLC0415 -- only for such a source
    from remit.adapters.openai.transport import ModelEndpoint, ModelsTransport  # noqa: PLC0415 -- only for such a source

    declared = source.models
    assert declared is not None
    client = EgressClient(egress_of(source, secrets))
    endpoints = []
    for model in declared.models.values():
        spec = ModelSpec(declared.provider, model.model, declared.url)
        endpoints.append(
            ModelEndpoint(
                model.name,
                model.model,
                Prices.read(spec, model.price),
                model.output_tokens_max,
                declared.limit_field,
                model.operations,
            )
        )
    return ModelsTransport(client, declared.url, endpoints)


def configured_model(settings: Settings) -> ModelTransport | None:
    """The configured model's transport.

    Raises:
        InvalidSetting: names the variable that has no valid value.
    """
    if not settings.model:
        return None
    try:
        network = network_allowing(settings.model_network)
    except ValueError as bad:
        raise InvalidSetting(f"REMIT_MODEL_NETWORK: {bad}.") from bad
    try:
        unpriced = ModelTransport(settings.model, network=network)
    except InvalidSetting as bad:
        raise InvalidSetting(f"REMIT_MODEL: {bad.detail}", hint=bad.advice) from bad
    if not settings.model_price:
        return unpriced
    try:
        return ModelTransport(settings.model, price=settings.model_price, network=network)
    except InvalidSetting as bad:
        raise InvalidSetting(f"REMIT_MODEL_PRICE: {bad.detail}", hint=bad.advice) from bad


def egress_of(source: ToolSource, secrets: Secrets) -> "EgressTransport":
    """The source's way out, with its credential."""
    from remit.adapters.egress import EgressTransport, Injector  # noqa: PLC0415 -- only for a source at an address

    credential = source.credential
    injector = None if credential is None or not credential.ref else Injector(credential, secrets)
    return EgressTransport(source.network, injector=injector, identity=_identity(source, secrets))


def _identity(source: ToolSource, secrets: Secrets) -> "ClientIdentity | None":
    """The certificate that the source is shown, if it declares one."""
    from remit.adapters.egress import ClientIdentity  # noqa: PLC0415 -- only for a source at an address

    declared = source.credential.certificate if source.credential else None
    if declared is None:
        return None
    ref = declared.password
    return ClientIdentity(declared, password=(lambda: secrets.resolve(ref)) if ref else None)


async def open_inbox(stream: StreamOfOthers, settings: Settings) -> Inbox:
    """A durable place in a stream of others; what speaks its protocol is imported only where there is one.

    Raises:
        EgressRefused, CredentialMissing, ToolUnreachable: it is not reached.
        InvalidSetting: the package that it needs is not installed.
    """
    secret = await secrets_of(settings).resolve(stream.credential.ref) if stream.credential else ""
    try:
        if stream.technology == "nats":
            from remit.adapters.nats.inbox import open_nats  # noqa: PLC0415 -- as said

            return await open_nats(stream, secret)
        from remit.adapters.redis.inbox import open_redis  # noqa: PLC0415 -- as said

        return await open_redis(stream, secret)
    except ModuleNotFoundError as error:
        raise _package_missing(stream.technology, error) from error


async def open_outbox(place: Place, settings: Settings, clock: Clock) -> Outbox:
    """Where a subscription's events go; what speaks its protocol is imported only where there is one.

    Raises:
        EgressRefused, CredentialMissing, ToolUnreachable: it is not reached.
        InvalidSetting: the package that it needs is not installed.
    """
    secrets = secrets_of(settings)
    if place.technology == "webhook":
        from remit.adapters.egress import EgressClient, EgressTransport, Injector  # noqa: PLC0415 -- as said
        from remit.adapters.webhooks.outbox import WebhookOutbox  # noqa: PLC0415 -- as said

        injector = Injector(place.credential, secrets) if place.credential else None
        client = EgressClient(EgressTransport(place.network, injector=injector))
        return WebhookOutbox(client, place, lambda: secrets.resolve(place.secret), clock)
    secret = await secrets.resolve(place.credential.ref) if place.credential else ""
    try:
        if place.technology == "nats":
            from remit.adapters.nats.outbox import open_nats_outbox  # noqa: PLC0415 -- as said

            return await open_nats_outbox(place, secret)
        from remit.adapters.redis.outbox import open_redis_outbox  # noqa: PLC0415 -- as said

        return await open_redis_outbox(place, secret)
    except ModuleNotFoundError as error:
        raise _package_missing(place.technology, error) from error


def _package_missing(technology: str, error: ModuleNotFoundError) -> InvalidSetting:
    return InvalidSetting(
        f"{technology} needs the package {error.name}.", hint=f"Install it: `pip install 'remit[{technology}]'`."
    )


def secrets_of(settings: Settings) -> Secrets:
    """Where the secrets stand that sources of tools name by reference; read at each call."""
    vault = None
    if settings.vault_address:
        token_file = settings.vault_token_file or settings.home / "vault.token"
        vault = SecretVault(settings.vault_address, token_file, _get_from(settings.vault_address))
    return SecretStores(environment(), folder=settings.home, mounted=settings.mounted_secrets, vault=vault)


def _get_from(address: str) -> Callable[[str, Mapping[str, str]], Awaitable[tuple[int, bytes]]]:
    """Reads from the place at this address, which whoever runs Remit chose, wherever it is."""
    from remit.adapters.egress import EgressClient, EgressTransport  # noqa: PLC0415 -- only where there is a vault

    host = urlsplit(address).hostname or ""
    declared = network_of(host)
    reached = Network((declared,) if declared else (), frozenset({host}))

    async def get(url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        # Asked once a minute at most, so no connection is kept.
        client = EgressClient(EgressTransport(reached))
        try:
            reply = await client.send("GET", url, headers=headers, seconds=_SECRET_SECONDS)
        finally:
            await client.close()
        return reply.status, reply.body

    return get
