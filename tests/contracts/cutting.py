"""A wire to a PostgreSQL server that is cut at the worst instant."""

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

#: What COMMIT looks like on its way to the server, and in the answer on the way back.
_COMMIT = b"COMMIT\0"


class CutWire:
    """Passes bytes on; once told to, cuts the connection at the next COMMIT, before or after the server has it."""

    def __init__(self, address: str) -> None:
        place = urlsplit(address)
        self._server = (place.hostname, place.port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"postgresql://{place.username}@127.0.0.1:{self._listening.getsockname()[1]}{place.path}"
        #: `before` the server has the next COMMIT, `after` it has answered it; cuts once.
        self.cut = ""
        #: True where nobody is let through any more.
        self.down = False
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            if self.down:
                client.close()
                continue
            server = socket.create_connection(self._server)
            connection = _Connection(self, client, server)
            threading.Thread(target=connection.ask, daemon=True).start()
            threading.Thread(target=connection.answer, daemon=True).start()


class _Connection:
    def __init__(self, wire: CutWire, client: socket.socket, server: socket.socket) -> None:
        self.wire, self.client, self.server = wire, client, server
        self.doomed = False

    def ask(self) -> None:
        with suppress(OSError):
            while data := self.client.recv(65_536):
                if self.wire.cut and _COMMIT in data:
                    how, self.wire.cut = self.wire.cut, ""
                    if how == "before":
                        return self.end()
                    self.doomed = True
                self.server.sendall(data)
        return self.shut()

    def answer(self) -> None:
        with suppress(OSError):
            while data := self.server.recv(65_536):
                if self.doomed:
                    if _COMMIT in data:
                        return self.end()
                    continue
                self.client.sendall(data)
        return self.shut()

    def end(self) -> None:
        self.wire.cuts += 1
        self.shut()

    def shut(self) -> None:
        for side in (self.client, self.server):
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
            side.close()
