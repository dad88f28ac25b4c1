"""What agents outside come to: tools at `/mcp`, models at `/v1`, skills at `/a2a`, tokens and single calls at `/agent`.

Sidecars come to `/sidecar`, signed events of others to `/hooks`. Everything else is for people, behind their gate.
"""

from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from remit.api.a2a import PREFIX as _A2A
from remit.api.a2a import A2aEndpoint
from remit.api.auth import host_of, is_loopback
from remit.api.beside import PREFIX as _SIDECAR
from remit.api.beside import SidecarDoor
from remit.api.entering import Entrance
from remit.api.hooks import PREFIX as _HOOKS
from remit.api.hooks import Hooks
from remit.api.mcp import McpEndpoint
from remit.api.models import ModelsEndpoint
from remit.api.passing_on import PREFIX as _AGENT
from remit.api.passing_on import PassingOn
from remit.api.problems import problem
from remit.control_plane import ControlPlane
from remit.errors import Foreign

_MODELS = "/v1"
_MCP = "/mcp"


class AgentDoors:
    """Sends agents to their endpoints, under a name of this machine only where `loopback_only`."""

    def __init__(self, plane: ControlPlane, people: ASGIApp, *, loopback_only: bool = True) -> None:
        entrance = self.entrance = Entrance(plane)
        self._people = people
        self._loopback_only = loopback_only
        self._mcp = McpEndpoint(plane, entrance)
        self._a2a = A2aEndpoint(plane, entrance)
        self._passing_on = PassingOn(plane, entrance)
        self._hooks = Hooks(plane)
        self._sidecars = SidecarDoor(plane)
        self._models = Router(routes=ModelsEndpoint(plane, entrance).routes(_MODELS))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "http" and _is_below(path, _HOOKS):
            await self._hooks(scope, receive, send)
        elif scope["type"] != "http" or not _is_below(path, _MCP, _MODELS, _A2A, _AGENT, _SIDECAR):
            await self._people(scope, receive, send)
        elif not self._from_here(dict(scope["headers"])):
            await problem(Foreign("Its Host or Origin header does not name this machine."))(scope, receive, send)
        elif _is_below(path, _MCP):
            await self._mcp(scope, receive, send)
        elif _is_below(path, _A2A):
            await self._a2a(scope, receive, send)
        elif _is_below(path, _AGENT):
            await self._passing_on(scope, receive, send)
        elif _is_below(path, _SIDECAR):
            await self._sidecars(scope, receive, send)
        else:
            await self._models(scope, receive, send)

    def _from_here(self, headers: dict[bytes, bytes]) -> bool:
        """A page of another origin must not reach the door through a browser on this machine (DNS rebinding)."""
        host, origin = headers.get(b"host", b"").decode("latin-1"), headers.get(b"origin")
        if self._loopback_only and not is_loopback(host_of(host)):
            return False
        if origin is None:
            return True
        name = origin.decode("latin-1").partition("://")[2]
        return is_loopback(host_of(name)) if self._loopback_only else name == host


def _is_below(path: str, *tops: str) -> bool:
    return any(path == top or path.startswith(f"{top}/") for top in tops)
