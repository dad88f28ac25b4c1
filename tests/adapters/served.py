"""An ASGI application on a real port of loopback, in a thread of its own."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

_START_SECONDS = 10.0


class Server(uvicorn.Server):
    """Serves until it is told to end; the threads of tests take no signals."""

    def __init__(self, app: Any, port: int = 0) -> None:
        config = uvicorn.Config(app, log_level="critical", lifespan="on", timeout_graceful_shutdown=1)
        super().__init__(config)
        self._ready = threading.Event()
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self.run, kwargs={"sockets": [self._socket]}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self._ready.set()

    def begin(self) -> "Server":
        self._thread.start()
        assert self._ready.wait(_START_SECONDS)
        return self

    def end(self) -> None:
        self.should_exit = True
        self._thread.join(_START_SECONDS)


@contextmanager
def served(app: Any, port: int = 0) -> Iterator[Server]:
    server = Server(app, port).begin()
    try:
        yield server
    finally:
        server.end()
