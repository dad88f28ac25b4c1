"""The way to Remit: REST v1, over the network where a server holds the home, else in process.

One code path: the same client, the same routes; only the transport differs.
"""

import contextlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from remit.config import Settings, environment, read_settings
from remit.errors import Fault

if TYPE_CHECKING:
    import httpx

_HEALTH_SECONDS = 3.0


class ProblemAnswered(Exception):
    """The API answered with a problem."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(problem.get("title", ""))
        self.problem = problem

    @property
    def code(self) -> str:
        """The stable code of the error."""
        return str(self.problem.get("code", ""))


class Client:
    """Calls routes of REST v1 and returns their JSON."""

    def __init__(self, http: "httpx.AsyncClient", settings: Settings, *, served: bool) -> None:
        self._http = http
        self.settings = settings
        #: True where a server holds the home and drives its missions.
        self.served = served

    async def get(self, path: str, **params: Any) -> Any:
        """Read."""
        return (await self._send("GET", path, params=params)).json()

    async def get_bytes(self, path: str, **params: Any) -> bytes:
        """Read something that is no JSON."""
        return (await self._send("GET", path, params=params)).content

    async def post(self, path: str, body: Any = None) -> Any:
        """Do."""
        return (await self._send("POST", path, body=body if body is not None else {})).json()

    async def delete(self, path: str, **params: Any) -> Any:
        """Take away."""
        return (await self._send("DELETE", path, params=params)).json()

    async def words(self, mission: str, *, after: int) -> AsyncIterator[tuple[str, str]]:
        """What models say in a mission, as they say it: step and words; until the server ends it."""
        path, headers = f"/api/v1/missions/{mission}/events", {"accept": "text/event-stream"}
        async with self._http.stream("GET", path, params={"after": after}, headers=headers) as answer:
            kind = ""
            async for line in answer.aiter_lines():
                if line.startswith("event: "):
                    kind = line.removeprefix("event: ")
                elif line.startswith("data: ") and kind == "words":
                    told = json.loads(line.removeprefix("data: "))
                    yield told["step"], told["text"]

    async def _send(
        self, method: str, path: str, *, params: dict[str, Any] | None = None, body: Any = None
    ) -> "httpx.Response":
        import httpx  # noqa: PLC0415 -- 0.15 s that `--help` and `version` do without

        try:
            answer = await self._http.request(method, f"/api/v1{path}", params=params, json=body)
        except httpx.TransportError as error:
            raise Fault(
                f"The server of {self.settings.home} went away: {type(error).__name__}.",
                hint="Missions stand where they stood; start `remit serve` again, or repeat the command without it.",
            ) from error
        if answer.status_code >= 400:
            raise ProblemAnswered(answer.json())
        return answer


def settings_of(home: Path | None) -> Settings:
    """The settings of this process.

    Raises:
        InvalidSetting: names every variable that has no valid value.
    """
    return read_settings(environment(), home=home)


@contextlib.asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Client]:
    """A client for the home, through its server where one is live.

    Raises:
        NoHome: there is no home there.
        KeyMissing, StoreCorrupted, StoreTooNew, StoreUnreachable: it cannot be opened; nothing was changed.
    """
    import httpx  # noqa: PLC0415 -- as above

    told = _announced(settings.home)
    if told is not None and await _answers(told["address"]):
        headers = {"Authorization": f"Bearer {told['token']}"}
        # A drive answers when the mission rests, however long that takes.
        timeout = httpx.Timeout(30.0, read=None)
        async with httpx.AsyncClient(
            base_url=told["address"], headers=headers, timeout=timeout, trust_env=False
        ) as http:
            yield Client(http, settings, served=True)
        return
    from remit.api import create_app  # noqa: PLC0415 -- FastAPI: 0.3 s that a served home does without
    from remit.bootstrap import current_principal, open_home, quiet_collector  # noqa: PLC0415 -- as above
    from remit.control_plane import closing  # noqa: PLC0415 -- as above

    async with closing(await open_home(settings)) as plane:
        quiet_collector()
        transport = httpx.ASGITransport(create_app(plane, lambda: current_principal(plane)))
        async with httpx.AsyncClient(base_url="http://remit.local", transport=transport) as http:
            yield Client(http, settings, served=False)


async def address_of(settings: Settings) -> str | None:
    """Where a live server of the home listens; None where there is none."""
    told = _announced(settings.home)
    return str(told["address"]) if told is not None and await _answers(told["address"]) else None


def _announced(home: Path) -> dict[str, Any] | None:
    """What serve.json says, where the process that wrote it is alive."""
    try:
        told: dict[str, Any] = json.loads((home / "serve.json").read_text("utf-8"))
        os.kill(int(told["pid"]), 0)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return told if {"address", "token"} <= told.keys() else None


async def _answers(address: str) -> bool:
    import httpx  # noqa: PLC0415 -- as above

    try:
        async with httpx.AsyncClient(timeout=_HEALTH_SECONDS, trust_env=False) as http:
            return (await http.get(f"{address}/healthz")).status_code == 200
    except httpx.HTTPError:
        return False
