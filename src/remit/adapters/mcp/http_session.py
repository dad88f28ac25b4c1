"""What a server over HTTP and Remit have agreed on: found out before the first call, and again when it was lost."""

import asyncio
import itertools
import logging
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from typing import Any

from remit.adapters.egress import EgressClient
from remit.adapters.mcp import messages
from remit.adapters.mcp.asking import asked_within, patience
from remit.adapters.mcp.exchange import Exchange, SessionLost
from remit.adapters.mcp.messages import HANDSHAKE, MODERN, Agreed, Answered
from remit.errors import CredentialRefused, RemitError, ToolUnavailable, ToolUnreachable
from remit.gateway.transport import Line

_log = logging.getLogger(__name__)

#: How long a notice of the end (of a request, of the session) may take; nobody waits for it.
_NOTICE_SECONDS = 5.0
_NO_VERDICT = frozenset({"http_429", "http_503"})
_CHANGED = "notifications/tools/list_changed"
#: Questions of one server that are being answered at once; beyond that it is told that nobody answers.
_QUESTIONS_MAX = 32
#: A stream of news that breaks is opened again after a while, as often as this in a row.
_LISTEN_SECONDS, _LISTENS_MAX = 1.0, 5
#: One that lasted longer did not break at once.
_LISTEN_LASTS_SECONDS = 60.0
_TAKEN_BACK = {"error": {"code": 0, "message": "The caller took the request back."}}


class HttpSession:
    """Requests to one server, under whatever was agreed on."""

    def __init__(self, client: EgressClient, url: str, owner: Line | None = None) -> None:
        """Prepare; nothing is agreed on yet.

        Args:
            client: the source's way out.
            url: the server's address.
            owner: who alone has this session, and hears and answers the server; None where all share it.
        """
        self._exchange = Exchange(client, url)
        self._owner = owner
        self._asks = dict(owner.capabilities) if owner is not None else {}
        self._numbers = itertools.count(1)
        self._agreed: Agreed | None = None
        self._agreeing = asyncio.Lock()
        self._aside: set[asyncio.Task[None]] = set()
        self._questions = 0
        #: How often the server has said that its tools changed.
        self.changes = 0

    @property
    def agreed(self) -> Agreed | None:
        return self._agreed

    async def offers(self, *, seconds: float) -> Mapping[str, Any]:
        """What the server said of itself when it was agreed with.

        Raises:
            ToolUnavailable: it cannot be agreed with.
        """
        end = asyncio.get_running_loop().time() + seconds
        return (await self._agreement(end, seconds)).offers

    async def request(
        self,
        method: str,
        params: Mapping[str, Any],
        *,
        seconds: float,
        line: Line | None = None,
        may_leave: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        """What the server answers, `{"result": ...}` or `{"error": ...}`, all within `seconds`.

        Args:
            method: what is asked for.
            params: with which parameters.
            seconds: the longest that it may take.
            line: whoever hears and is asked meanwhile.
            may_leave: the caller on the line can take the request back.
            headers: further ones, in the revision without a handshake.

        Raises:
            ToolUnavailable: it is sure that the request was not carried out.
            ToolUnreachable: that is not sure.
        """
        end = asyncio.get_running_loop().time() + seconds
        for last in (False, True):
            agreed = await self._agreement(end, seconds)
            number = next(self._numbers)
            try:
                async with asyncio.timeout_at(end):
                    return await self._asked(agreed, number, method, params, line, may_leave, headers, end)
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
            except Answered as answer:
                # The server was replaced by one that speaks another version: it read nothing, and did nothing.
                unread = agreed.modern and answer.number != number
                if last or not (unread or answer.error["code"] == messages.UNSUPPORTED_VERSION):
                    return {"error": answer.error}
                self._forget(agreed)
        raise AssertionError

    async def close(self) -> None:
        """Tell the server, if it keeps a session."""
        agreed, self._agreed = self._agreed, None
        for task in self._aside:
            task.cancel()
        if agreed is not None and agreed.session:
            with suppress(RemitError, TimeoutError):
                async with asyncio.timeout(_NOTICE_SECONDS):
                    await self._exchange.end(agreed)

    async def _asked(
        self,
        agreed: Agreed,
        number: int,
        method: str,
        params: Mapping[str, Any],
        line: Line | None,
        may_leave: bool,
        headers: Mapping[str, str] | None,
        end: float,
    ) -> Mapping[str, Any]:
        if line is not None:
            params = {**params, "_meta": {**params.get("_meta", {}), "progressToken": number}}
        sent = self._exchange.ask(
            messages.request(number, method, params, modern=agreed.modern, asks=self._asks),
            number,
            agreed,
            method=method,
            heard=lambda message: self._heard(message, line, end),
            name=str(params.get("name") or params.get("uri") or ""),
            headers=headers if agreed.modern else None,
        )
        if line is None or not may_leave:
            return {"result": (await sent)[0]}
        asking, gone = asyncio.ensure_future(sent), False

        def leave() -> None:
            nonlocal gone
            gone = True
            asking.cancel()

        line.when_gone(leave)
        try:
            return {"result": (await asking)[0]}
        except asyncio.CancelledError:
            if not gone:
                asking.cancel()
                raise
            self._take_back(agreed, number, "The caller took it back.")
            return _TAKEN_BACK

    # --- agreeing

    async def _agreement(self, end: float, seconds: float) -> Agreed:
        """What was agreed on; concurrent callers wait for the first. Nothing is called yet, so a failure is sure."""
        if self._agreed is not None:
            return self._agreed
        try:
            async with asyncio.timeout_at(end), self._agreeing:
                if self._agreed is None:
                    self._agreed = await self._agree()
                    self._beside(self._listen(self._agreed))
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
        """Without a handshake where all share the session; with one, first, where somebody can be asked."""
        if self._owner is None:
            return await self._discover() or await self._initialize()
        try:
            return await self._initialize()
        except (Answered, ToolUnavailable):
            if (agreed := await self._discover()) is None:
                raise
            return agreed

    async def _discover(self) -> Agreed | None:
        """Ask in the revision without a handshake; None where the server does not understand it."""
        asked, number = Agreed(MODERN), next(self._numbers)
        body = messages.request(number, "server/discover", None, modern=True, asks=self._asks)
        try:
            result, _ = await self._exchange.ask(body, number, asked, method="server/discover", heard=self._ignored)
        except ToolUnavailable as error:
            # An older server says of what it does not know that it is no good request; anything else is no verdict.
            if isinstance(error, CredentialRefused) or error.rule in _NO_VERDICT or not error.rule.startswith("http_"):
                raise
            return None
        except (Answered, ToolUnreachable):
            return None
        versions = result.get("supportedVersions")
        return Agreed(MODERN, offers=result) if isinstance(versions, list) and MODERN in versions else None

    async def _initialize(self) -> Agreed:
        number = next(self._numbers)
        body = messages.request(number, "initialize", messages.hello(self._asks), modern=False, asks={})
        result, session = await self._exchange.ask(body, number, None, method="initialize", heard=self._ignored)
        spoken = result.get("protocolVersion")
        if spoken not in HANDSHAKE:
            raise ToolUnavailable(f"The server speaks version {str(spoken)[:20]!r}, which Remit does not.")
        agreed = Agreed(str(spoken), session, result)
        await self._exchange.tell(messages.notification("notifications/initialized"), agreed)
        return agreed

    def _forget(self, agreed: Agreed) -> None:
        if self._agreed is agreed:
            self._agreed = None

    # --- what the server says of its own accord

    async def _ignored(self, message: Mapping[str, Any]) -> None:
        """Before anything is agreed on, there is nothing to hear."""

    async def _heard(self, message: Mapping[str, Any], line: Line | None, end: float | None = None) -> None:
        """A notification goes to the line, a question is answered there; on a shared session progress alone does."""
        method, params = str(message["method"]), message.get("params")
        params = params if isinstance(params, dict) else {}
        if "id" in message:
            self._beside(self._answer(message["id"], method, params, line or self._owner, end))
            return
        self.changes += method == _CHANGED
        line = (line or self._owner) if self._owner is not None or method == "notifications/progress" else None
        if line is not None:
            await line.told(method, params)

    async def _answer(
        self, number: Any, method: str, params: Mapping[str, Any], line: Line | None, end: float | None
    ) -> None:
        outcome: Mapping[str, Any] = {"result": {}}
        if method != "ping":
            refused = f"Nobody here answers {method[:64]}."
            outcome = {"error": {"code": messages.METHOD_NOT_FOUND, "message": refused}}
        if method != "ping" and self._owner is not None and line is not None and self._questions < _QUESTIONS_MAX:
            self._questions += 1
            try:
                outcome = await asked_within(patience(end), line, method, params)
            except Exception as error:  # noqa: BLE001 -- the task's edge: the server is owed an answer whatever happened
                _log.warning("A server's %s was not answered: %s", method[:64], type(error).__name__)
                outcome = {"error": {"code": messages.INTERNAL_ERROR, "message": "The client did not answer."}}
            finally:
                self._questions -= 1
        await self._tell(messages.response(number, outcome))

    async def _listen(self, agreed: Agreed) -> None:
        """Hear the server while nothing is asked, so that a change of its tools is known before the next call."""
        changes = {kind: True for kind in ("tools", "prompts", "resources") if agreed.offers_changes(kind)}
        if not (agreed.session or (agreed.modern and changes)):
            return
        failures = 0
        while self._agreed is agreed and failures < _LISTENS_MAX:
            body = b""
            if agreed.modern:
                wanted = {"notifications": {f"{kind}ListChanged": True for kind in changes}}
                body = messages.request(
                    next(self._numbers), "subscriptions/listen", wanted, modern=True, asks=self._asks
                )
            begun = asyncio.get_running_loop().time()
            with suppress(ToolUnreachable):
                if not await self._exchange.listen(agreed, lambda message: self._heard(message, None), body):
                    return
            lasted = asyncio.get_running_loop().time() - begun
            failures = 0 if lasted > _LISTEN_LASTS_SECONDS else failures + 1
            await asyncio.sleep(_LISTEN_SECONDS)
            # What was said meanwhile was not heard.
            self.changes += 1

    # --- what needs no answer

    def _take_back(self, agreed: Agreed, number: int, reason: str) -> None:
        """Tell the server that nobody waits; in the revision without a handshake, hanging up has told it."""
        if not agreed.modern:
            notice = messages.notification("notifications/cancelled", {"requestId": number, "reason": reason})
            self._beside(self._tell(notice, agreed))

    async def _tell(self, body: bytes, agreed: Agreed | None = None) -> None:
        agreed = agreed or self._agreed
        if agreed is not None:
            with suppress(RemitError, TimeoutError):
                async with asyncio.timeout(_NOTICE_SECONDS):
                    await self._exchange.tell(body, agreed)

    def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)
