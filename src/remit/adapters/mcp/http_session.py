"""What a server over HTTP and Remit have agreed on: found out before the first call, and again when it was lost."""

import asyncio
import itertools
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from remit.adapters.egress import EgressClient
from remit.adapters.mcp import messages
from remit.adapters.mcp.exchange import Exchange, SessionLost
from remit.adapters.mcp.messages import HANDSHAKE, MODERN, Agreed, Answered
from remit.errors import CredentialRefused, RemitError, ToolUnavailable, ToolUnreachable

_log = logging.getLogger(__name__)

#: How long a notice of the end (of a request, of the session) may take; nobody waits for it.
_NOTICE_SECONDS = 5.0
_NO_VERDICT = frozenset({"http_429", "http_503"})
_CHANGED = "notifications/tools/list_changed"


class HttpSession:
    """Requests to one server, under whatever was agreed on."""

    def __init__(self, client: EgressClient, url: str) -> None:
        self._exchange = Exchange(client, url, self._heard)
        self._numbers = itertools.count(1)
        self._agreed: Agreed | None = None
        self._agreeing = asyncio.Lock()
        self._notices: set[asyncio.Task[None]] = set()
        #: How often the server has said that its tools changed.
        self.changes = 0

    @property
    def agreed(self) -> Agreed | None:
        return self._agreed

    async def request(
        self,
        method: str,
        params: Mapping[str, Any],
        *,
        seconds: float,
        name: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """The result of a request, all within `seconds`.

        Raises:
            Answered: the server answered with an error of the protocol.
            ToolUnavailable: it is sure that the request was not carried out.
            ToolUnreachable: that is not sure.
        """
        end = asyncio.get_running_loop().time() + seconds
        for last in (False, True):
            agreed = await self._agreement(end, seconds)
            number = next(self._numbers)
            body = messages.request(number, method, params, modern=agreed.modern)
            try:
                async with asyncio.timeout_at(end):
                    result, _ = await self._exchange.ask(
                        body, number, agreed, method=method, name=name, headers=headers if agreed.modern else None
                    )
                    return result
            except TimeoutError:
                self._take_back(agreed, number, "It took too long.")
                raise ToolUnreachable(f"The server did not answer in {seconds:g} seconds.", rule="timeout") from None
            except asyncio.CancelledError:
                self._take_back(agreed, number, "Nobody waits for it any more.")
                raise
            except SessionLost:
                self._forget(agreed)
                if last:
                    raise ToolUnavailable("The server forgets its sessions at once.", rule="session_lost") from None
            except Answered as error:
                # The server was replaced by one that speaks another version: it read nothing, and did nothing.
                unread = agreed.modern and error.number != number
                if last or not (unread or error.code == messages.UNSUPPORTED_VERSION):
                    raise
                self._forget(agreed)
        raise AssertionError

    async def close(self) -> None:
        """Tell the server, if it keeps a session."""
        agreed, self._agreed = self._agreed, None
        for notice in self._notices:
            notice.cancel()
        if agreed is not None and agreed.session:
            with suppress(RemitError, TimeoutError):
                async with asyncio.timeout(_NOTICE_SECONDS):
                    await self._exchange.end(agreed)

    # --- agreeing

    async def _agreement(self, end: float, seconds: float) -> Agreed:
        """What was agreed on; concurrent callers wait for the first. Nothing is called yet, so a failure is sure."""
        if self._agreed is not None:
            return self._agreed
        try:
            async with asyncio.timeout_at(end), self._agreeing:
                if self._agreed is None:
                    self._agreed = await self._agree()
                return self._agreed
        except TimeoutError:
            raise ToolUnavailable(f"The server did not answer in {seconds:g} seconds.", rule="not_sent") from None
        except ToolUnavailable:
            raise
        except ToolUnreachable as error:
            raise ToolUnavailable(error.detail, rule="not_sent") from None
        except (Answered, SessionLost) as error:
            told = f": {error.message}" if isinstance(error, Answered) else ""
            raise ToolUnavailable(f"The server does not agree on a protocol{told}.", rule="not_sent") from None

    async def _agree(self) -> Agreed:
        return await self._discover() or await self._initialize()

    async def _discover(self) -> Agreed | None:
        """Ask in the revision without a handshake; None where the server does not understand it."""
        asked, number = Agreed(MODERN), next(self._numbers)
        body = messages.request(number, "server/discover", None, modern=True)
        try:
            result, _ = await self._exchange.ask(body, number, asked, method="server/discover")
        except ToolUnavailable as error:
            # An older server says of what it does not know that it is no good request; anything else is no verdict.
            if isinstance(error, CredentialRefused) or error.rule in _NO_VERDICT or not error.rule.startswith("http_"):
                raise
            return None
        except (Answered, ToolUnreachable):
            return None
        if MODERN not in (result.get("supportedVersions") or ()):
            return None
        return Agreed(MODERN, server=messages.server_of(result))

    async def _initialize(self) -> Agreed:
        number = next(self._numbers)
        body = messages.request(number, "initialize", messages.hello(), modern=False)
        result, session = await self._exchange.ask(body, number, None, method="initialize")
        spoken = result.get("protocolVersion")
        if spoken not in HANDSHAKE:
            raise ToolUnavailable(f"The server speaks version {str(spoken)[:20]!r}, which Remit does not.")
        agreed = Agreed(str(spoken), session, messages.server_of(result))
        ready = messages.request(None, "notifications/initialized", None, modern=False)
        await self._exchange.tell(ready, agreed)
        return agreed

    def _forget(self, agreed: Agreed) -> None:
        if self._agreed is agreed:
            self._agreed = None

    # --- what needs no answer

    async def _heard(self, message: Mapping[str, Any]) -> None:
        """Something that the server said of its own accord."""
        if message["method"] == _CHANGED:
            self.changes += 1
        elif "id" in message and self._agreed is not None:
            self._notify(self._exchange.tell(messages.response(message), self._agreed))

    def _take_back(self, agreed: Agreed, number: int, reason: str) -> None:
        """Tell the server that nobody waits; in the revision without a handshake, hanging up has told it."""
        if agreed.modern:
            return
        params = {"requestId": number, "reason": reason}
        body = messages.request(None, "notifications/cancelled", params, modern=False)
        self._notify(self._exchange.tell(body, agreed))

    def _notify(self, telling: Any) -> None:
        async def told() -> None:
            with suppress(RemitError, TimeoutError):
                async with asyncio.timeout(_NOTICE_SECONDS):
                    await telling

        notice = asyncio.create_task(told())
        self._notices.add(notice)
        notice.add_done_callback(self._notices.discard)
