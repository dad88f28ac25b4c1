"""One source's way out: every outgoing HTTP request of Remit goes through here.

The transport stands below any client, so what it holds to holds for libraries too: addresses are checked after
DNS, a redirect leads to the same place or nowhere, the environment's proxies are not heard, answers are bounded, no
cookie is kept, and the credential is put in here and taken out of what comes back.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Sequence
from functools import cache
from typing import Any

import httpcore
import httpx

from remit.adapters.egress.backend import CheckedBackend, Resolver, system_resolver
from remit.adapters.egress.body import Body
from remit.adapters.egress.credentials import Injected, Injector
from remit.adapters.egress.identity import ClientIdentity, State
from remit.adapters.egress.refused import certificate_refused, credential_refused
from remit.errors import CredentialRefused, EgressRefused, InvalidSetting, ToolUnavailable, ToolUnreachable
from remit.registry import Network

#: Of one source; streams of news hold theirs.
CONNECTIONS_MAX = 256
IDLE_SECONDS = 30.0
REDIRECTS_MAX = 5
CONNECT_SECONDS = 10.0
_PROBE_SECONDS = 1.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KEPT_OUT = frozenset({b"set-cookie", b"content-encoding", b"content-length", b"transfer-encoding"})
_PACKINGS = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})
_FAILURES = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol)
_Headers = list[tuple[bytes, bytes]]
# Its debug log writes the headers of answers before they are scrubbed.
logging.getLogger("httpcore").setLevel(logging.INFO)


class EgressTransport(httpx.AsyncBaseTransport):
    """Carries the requests of one source over pooled connections."""

    def __init__(
        self,
        network: Network | None = None,
        *,
        injector: Injector | None = None,
        identity: ClientIdentity | None = None,
        resolve: Resolver = system_resolver,
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            network: what may be reached besides public addresses.
            injector: puts the source's credential in.
            identity: the certificate that is shown over TLS.
            resolve: gives a host's addresses.
        """
        self._network = network or Network()
        self._injector = injector
        self._identity = identity
        #: Of the files that the connections were made with.
        self._shown: State | None = None
        #: The connections that there are have been answered over.
        self._answered = False
        #: Shows the certificate.
        self._context: ssl.SSLContext | None = None
        self._stale: list[httpcore.AsyncConnectionPool] = []
        self._renewing = asyncio.Lock()
        self._backend = CheckedBackend(self._network, resolve)
        self._pools: dict[bytes, httpcore.AsyncConnectionPool] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send, and follow redirects within the same place.

        Raises:
            EgressRefused: the address, or where a redirect leads, is not allowed; nothing was done.
            CredentialMissing: it could not be read; nothing was sent.
            ToolUnreachable: it redirects in a way that is not followed; what it did before is not known.
            httpx.TransportError: the connection failed.
        """
        injected = await self._injector.inject() if self._injector else Injected()
        content = await request.aread()
        method, url = request.method, request.url
        headers = self._headers(request.headers.raw, injected)
        for _ in range(REDIRECTS_MAX + 1):
            response = await self._sent(method, url, headers, content, request.extensions, injected)
            location = response.headers.get("location")
            if response.status_code not in _REDIRECTS or location is None:
                return response
            await response.aclose()
            url = _followed(url, location, response.status_code, method)
            if response.status_code == 303:
                method, content = "GET" if method != "HEAD" else "HEAD", b""
                headers = [(name, value) for name, value in headers if not name.lower().startswith(b"content-")]
        raise ToolUnreachable(f"{url.host} redirects more than {REDIRECTS_MAX} times.", rule="egress_redirect")

    @property
    def credential(self) -> str:
        """Where the source's credential stands; empty where it has none."""
        return self._injector.ref if self._injector else ""

    def refused(self, told: str = "", *, rule: str = "") -> CredentialRefused:
        """The source did not take the credential, which is read anew for the next request; the error for that."""
        if self._injector:
            self._injector.refused()
        return credential_refused(told, self.credential, rule=rule)

    async def aclose(self) -> None:
        pools, self._pools, self._stale = [*self._pools.values(), *self._stale], {}, []
        for pool in pools:
            await pool.aclose()

    async def _sent(
        self,
        method: str,
        url: httpx.URL,
        headers: _Headers,
        content: bytes,
        extensions: Any,
        injected: Injected,
    ) -> httpx.Response:
        target = url if injected.query is None else url.copy_set_param(*injected.query)
        asked = httpcore.Request(
            method,
            httpcore.URL(scheme=target.raw_scheme, host=target.raw_host, port=target.port, target=target.raw_path),
            headers=[*headers, *_framing(method, content)],
            content=content,
            extensions={"timeout": _timeouts(extensions)},
        )
        try:
            answer = await (await self._pool(url.raw_scheme)).handle_async_request(asked)
        except _FAILURES as error:
            no = certificate_refused(error, url.host, self._identity) or await self._refused_unheard(error, target)
            raise (no or _as_httpx(error, url.host)) from None
        self._answered = True
        packed = _packing(answer.headers)
        if packed not in _PACKINGS:
            await answer.aclose()
            raise ToolUnreachable(f"{url.host} packs its answers as {packed[:20]!r}, which it was not asked for.")
        stream = _Mapped(answer.stream, url.host)
        bounded = Body(
            stream,
            host=url.host,
            bytes_max=self._network.answer_bytes_max,
            packed=packed,
            scrubber=injected.scrubber,
        )
        return httpx.Response(answer.status, headers=_told(answer.headers, injected), stream=bounded)

    def _headers(self, raw: Sequence[tuple[bytes, bytes]], injected: Injected) -> _Headers:
        own = self._injector.header_name if self._injector else b""
        dropped = {own, b"accept-encoding", b"content-length", b"transfer-encoding", b"cookie"}
        headers = [(name, value) for name, value in raw if name.lower() not in dropped]
        headers.append((b"accept-encoding", b"gzip"))
        return headers if injected.header is None else [*headers, injected.header]

    async def _pool(self, scheme: bytes) -> httpcore.AsyncConnectionPool:
        if self._identity is None:
            return self._pools.get(scheme) or self._made(
                scheme, _trust(self._network.ca) if scheme == b"https" else None
            )
        if scheme != b"https":
            raise EgressRefused(
                "The source has a client certificate, which nobody sees over http://.",
                hint="Write the source's https:// address, or take the certificate out.",
                rule="egress_scheme",
            )
        async with self._renewing:
            if (state := self._identity.state()) != self._shown:
                context = _context(self._network.ca)
                await self._identity.load(context)
                self._context = context
                # Calls under way end on the old certificate; no new one begins on it.
                self._stale += self._pools.values()
                self._made(scheme, context)
                self._shown, self._answered = state, False
            return self._pools[scheme]

    async def _refused_unheard(self, error: Exception, target: httpx.URL) -> ToolUnreachable | None:
        """Whether a connection that just broke off did so over the certificate; asked with a handshake alone.

        With TLS 1.3 the server's word comes after the handshake, and a request on its way may wipe it out.
        """
        if target.scheme != "https" or not isinstance(error, httpcore.NetworkError) or str(error):
            return None
        try:
            stream = await self._backend.connect_tcp(target.host, target.port or 443, timeout=_PROBE_SECONDS)
            try:
                secured = await stream.start_tls(self._context or _trust(self._network.ca), target.host, _PROBE_SECONDS)
                await secured.read(1, _PROBE_SECONDS)
            finally:
                await stream.aclose()
        except _FAILURES as told:
            no = certificate_refused(told, target.host, self._identity)
        else:
            return None
        if no is None or not self._answered:
            return no
        # Something was answered over these connections: what became of this request is not known.
        return ToolUnreachable(no.detail, hint=no.advice, rule=no.rule)

    def _made(self, scheme: bytes, context: ssl.SSLContext | None) -> httpcore.AsyncConnectionPool:
        if scheme not in {b"http", b"https"}:
            raise EgressRefused(f"{scheme.decode()!r} is no scheme of HTTP.", rule="egress_scheme")
        pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=CONNECTIONS_MAX,
            max_keepalive_connections=CONNECTIONS_MAX,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=self._backend,
        )
        self._pools[scheme] = pool
        return pool


class _Mapped:
    """A body whose failures are those of httpx."""

    def __init__(self, stream: Any, host: str) -> None:
        self._stream, self._host = stream, host

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._stream:
                yield chunk
        except _FAILURES as error:
            raise _as_httpx(error, self._host) from None

    async def aclose(self) -> None:
        await self._stream.aclose()


def outcome_of(error: httpx.TransportError, host: str) -> ToolUnreachable:
    """What a failed connection means for a call: whether it is sure that nothing was done."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.UnsupportedProtocol):
        return ToolUnavailable(f"{host} cannot be reached: {error or type(error).__name__}.", rule="not_sent")
    return ToolUnreachable(f"{host} did not answer in full ({type(error).__name__}).")


def _as_httpx(error: Exception, host: str) -> httpx.TransportError:
    """The failure under the name that httpx gives it; the two libraries use the same ones."""
    known: type[httpx.TransportError] = getattr(httpx, type(error).__name__, httpx.NetworkError)
    return known(str(error) or f"{host}: {type(error).__name__}")


def _followed(url: httpx.URL, location: str, status: int, method: str) -> httpx.URL:
    """Where a redirect leads, if it may be followed.

    Raises:
        EgressRefused: it leads elsewhere, and nothing was done.
        ToolUnreachable: it leads elsewhere or would change the method, and something may have been done.
    """
    try:
        target = url.join(location)
    except httpx.InvalidURL:
        raise ToolUnreachable(f"{url.host} redirects to what is no address.", rule="egress_redirect") from None
    reads = method in {"GET", "HEAD"}
    nothing_done = reads or status in {307, 308}
    if not _same_place(url, target):
        told = f"{url.host} redirects to {target.scheme}://{target.netloc.decode('ascii', 'replace')}, another place."
        hint = "If that is where the source stands now, write that address in it and apply it."
        error = EgressRefused if nothing_done else ToolUnreachable
        raise error(told, hint=hint, rule="egress_redirect")
    if not reads and status in {301, 302}:
        told = f"{url.host} answers {method} with a redirect ({status}) that would change it to a GET."
        raise ToolUnreachable(told, hint="Write the final address in the source.", rule="egress_redirect")
    return target


def _same_place(url: httpx.URL, target: httpx.URL) -> bool:
    if url.host != target.host:
        return False
    if url.scheme == target.scheme:
        return url.port == target.port  # httpx leaves out a scheme's own port
    return url.scheme == "http" and target.scheme == "https" and url.port is None and target.port is None


def _framing(method: str, content: bytes) -> _Headers:
    if content or method in {"POST", "PUT", "PATCH"}:
        return [(b"content-length", str(len(content)).encode())]
    return []


def _timeouts(extensions: Any) -> dict[str, float]:
    given = extensions.get("timeout") or {}
    return {"connect": CONNECT_SECONDS, **{name: seconds for name, seconds in given.items() if seconds is not None}}


def _packing(headers: _Headers) -> str:
    found = [value for name, value in headers if name.lower() == b"content-encoding"]
    return b",".join(found).decode("ascii", "replace").strip().lower()


def _told(headers: _Headers, injected: Injected) -> _Headers:
    return [(name, injected.scrubber.whole(value)) for name, value in headers if name.lower() not in _KEPT_OUT]


@cache
def _trust(ca: str | None) -> ssl.SSLContext:
    """One context for all who show nothing of themselves."""
    return _context(ca)


def _context(ca: str | None) -> ssl.SSLContext:
    """The public authorities, the machine's own, and the file that the source names.

    Raises:
        InvalidSetting: the file cannot be read or holds no certificates.
    """
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    if ca is not None:
        try:
            context.load_verify_locations(ca)
        except (OSError, ssl.SSLError) as error:
            raise InvalidSetting(f"`network.ca` names {ca}, which gives no certificates.") from error
    return context
