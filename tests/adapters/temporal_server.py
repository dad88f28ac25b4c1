"""A Temporal server for tests: one of the test's own, at a free port, with its data in a file."""

import atexit
import socket
import subprocess
import sys
from pathlib import Path

from tests.adapters.database_servers import programs, room

_BOUND_SECONDS = 90.0


class TemporalServer:
    """The development server: the real one, in one process, on SQLite."""

    def __init__(self, *options: str) -> None:
        beside = Path(sys.executable).with_name("temporal")
        self._program = str(beside) if beside.is_file() else programs("Temporal", "temporal")["temporal"]
        self._folder, self.port, self._other = room("remit-temporal-")
        self._data = self._folder / "temporal.sqlite"
        self._options = options
        self.address = f"127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.kill)
        self.start()

    def start(self) -> None:
        """Start it, and return when it answers."""
        assert self._process is None, "it runs"
        place = ("--ip", "127.0.0.1", "--port", str(self.port), "--db-filename", str(self._data))
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "server", "start-dev", "--headless", "--log-level", "error", *place, *self._options],
                stdout=log,
                stderr=log,
                cwd=self._folder,
            )
        health = [self._program, "operator", "cluster", "health", "--address", self.address, "--command-timeout", "2s"]
        for _ in range(int(_BOUND_SECONDS / 2)):
            if self._listens() and subprocess.run(health, capture_output=True, check=False).returncode == 0:
                return
            assert self._process.poll() is None, (self._folder / "log").read_text("utf-8")[-2000:]
        raise AssertionError((self._folder / "log").read_text("utf-8")[-2000:])

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_BOUND_SECONDS)
            self._process = None

    def lose(self) -> None:
        """Lose all that it holds, as a disk that dies does; it must not run."""
        assert self._process is None, "it runs"
        for path in self._folder.glob("temporal.sqlite*"):
            path.unlink()

    def _listens(self) -> bool:
        """True where something accepts connections at the port; waits up to two seconds for it."""
        assert self._process is not None, "it was started"
        try:
            self._process.wait(0.2)
        except subprocess.TimeoutExpired:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=2).close()
            except OSError:
                return False
            return True
        return False
