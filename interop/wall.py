"""A proxy that lets nothing through and remembers where it was asked to go: what an agent tries besides the door."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class Wall(ThreadingHTTPServer):
    """The proxy, as a context manager."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Refusing)
        self.asked_for: set[str] = set()

    @property
    def environment(self) -> dict[str, str]:
        """What sends a process to the wall for every address but this machine's."""
        url = f"http://127.0.0.1:{self.server_address[1]}"
        names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
        return {**dict.fromkeys(names, url), "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()


class _Refusing(BaseHTTPRequestHandler):
    server: Wall

    def _refuse(self) -> None:
        self.server.asked_for.add(self.path.removeprefix("http://").partition("/")[0].removesuffix(":443"))
        self.send_error(403)

    do_CONNECT = do_GET = do_POST = do_PUT = do_HEAD = _refuse  # noqa: N815 -- names of the standard library's

    def log_message(self, *_args: Any) -> None:
        """Say nothing: what was asked for stands in `asked_for`."""
