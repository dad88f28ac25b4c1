"""Clients that began with a handshake: what they can do, and the stream on which they listen."""

import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Any

import orjson

from remit.api.mcp.lines import ASKABLE, CallLine, Questions
from remit.api.mcp.replay import Replay, Shelf
from remit.api.names import unguessable

_CLIENTS_MAX = 4096
_IDLE_SECONDS = 3600.0
#: Characters of what an id says; a client that can more than that is known to one process alone.
_AGREED_MAX = 3000
_SEALED = "mcp-session"


@dataclass(slots=True)
class Listening:
    """The stream of a listener, over all connections on which it was gone on with."""

    replay: Replay
    #: Counts the connections; the newest is the one that is served. A caller may be back before it was seen to leave.
    connection: int = 0
    connected: bool = False
    #: What the caller was last told that it may use, by pins.
    seen: frozenset[str] | None = None

    def hear(self, message: Mapping[str, Any]) -> bool:
        """Take a message for the stream; a question only where there is somebody to answer it."""
        if not self.connected and "id" in message:
            return False
        self.replay.add(message)
        return True


@dataclass(slots=True)
class Client:
    """One client between its handshake and its end."""

    id: str
    #: Agent and principal, and the mission where the token names one: nobody else may use this id.
    whose: tuple[str, str, str]
    #: The source whose path it came to; empty for the joint one.
    source: str
    version: str
    capabilities: Mapping[str, Any]
    used_at: float = 0.0
    #: It wants to hear what a session that is shared with others must not say.
    private: bool = False
    questions: Questions = field(default_factory=Questions)
    in_flight: dict[Any, CallLine] = field(default_factory=dict)
    listening: Listening | None = None

    @property
    def askable(self) -> bool:
        """Whether a source may ask it anything."""
        return bool(ASKABLE & self.capabilities.keys())

    def hear(self, message: Mapping[str, Any]) -> bool:
        """Take a message that belongs to no request."""
        return self.listening is not None and self.listening.hear(message)

    def close(self) -> None:
        """Nobody listens or answers any more."""
        self.questions.close()
        for line in list(self.in_flight.values()):
            line.leave()
        if self.listening is not None:
            self.listening.replay.end()


class Clients:
    """The clients of this process, by the id that each was given; the one unused for longest goes first.

    Where requests may reach several processes, an id says what was agreed on in the handshake, under the home's key:
    whichever process it comes to goes on with it. What a process told its own listeners is known to that one alone.
    """

    def __init__(self, seal: Callable[[Any], str] | None = None) -> None:
        """Keep none yet; `seal` is the home's keyed hash, where there are other processes."""
        self._clients: OrderedDict[str, Client] = OrderedDict()
        self._seal = seal
        self.shelf = Shelf()

    def open(self, whose: tuple[str, str, str], source: str, version: str, capabilities: Mapping[str, Any]) -> Client:
        """A new client, with an id that cannot be guessed."""
        now = asyncio.get_running_loop().time()
        return self._keep(
            Client(self._name(whose, source, version, capabilities), whose, source, version, capabilities, now)
        )

    def _keep(self, client: Client) -> Client:
        now = client.used_at
        self._clients[client.id] = client
        while len(self._clients) > _CLIENTS_MAX or next(iter(self._clients.values())).used_at < now - _IDLE_SECONDS:
            self.end(next(iter(self._clients.values())))
        return client

    def find(self, name: str, whose: tuple[str, str, str], source: str) -> Client | None:
        """The client, or None where there is none, or it is another's."""
        client = self._clients.get(name) or self._of_another(name, whose, source)
        if client is None or client.whose != whose or client.source != source:
            return None
        client.used_at = asyncio.get_running_loop().time()
        self._clients.move_to_end(name)
        return client

    def _name(self, whose: tuple[str, str, str], source: str, version: str, can: Mapping[str, Any]) -> str:
        agreed = urlsafe_b64encode(orjson.dumps([unguessable(), version, can])).decode()
        if self._seal is None or len(agreed) > _AGREED_MAX:
            return unguessable()
        return f"{agreed}.{self._seal([_SEALED, agreed, *whose, source])}"

    def _of_another(self, name: str, whose: tuple[str, str, str], source: str) -> Client | None:
        """The client that shook hands with another process."""
        agreed, _, seal = name.rpartition(".")
        if self._seal is None or not 0 < len(agreed) <= _AGREED_MAX or not seal.isascii():
            return None
        if not compare_digest(seal, self._seal([_SEALED, agreed, *whose, source])):
            return None
        _, version, can = orjson.loads(urlsafe_b64decode(agreed))
        return self._keep(Client(name, whose, source, version, can, asyncio.get_running_loop().time()))

    def end(self, client: Client) -> None:
        """Forget a client."""
        self._clients.pop(client.id, None)
        client.close()
        self.shelf.drop(client.id)

    def of(self, whose: tuple[str, str, str]) -> list[Client]:
        """Every client of one caller."""
        return [client for client in self._clients.values() if client.whose == whose]
