"""What a person at a terminal meets: a live view, questions, and Ctrl-C."""

import json
import os
import pty
import re
import select
import signal
import time

from tests.cli.builders import REMIT, environment, remit, run_arguments

_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A process at a terminal of its own."""

    def __init__(self, *arguments, **more):
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.execvpe(REMIT[0], [*REMIT, *map(str, arguments)], environment(COLUMNS="120", LINES="50", **more))
        self.raw = ""
        self._seen = 0

    def until(self, text, seconds=30):
        """Read until `text` stands in what was not waited for yet."""
        deadline = time.monotonic() + seconds
        while text not in self.plain[self._seen :]:
            assert time.monotonic() < deadline, f"{text!r} did not come:\n{self.plain}"
            assert self._read(), f"ended without {text!r}:\n{self.plain}"
        self._seen = self.plain.index(text, self._seen) + len(text)

    def type(self, text):
        os.write(self._fd, f"{text}\n".encode())

    def end(self):
        """Read to the end; the exit code. A program that does not end is killed, and its exit code says so."""
        deadline = time.monotonic() + 60
        while self._read():
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                break
        _, status = os.waitpid(self.pid, 0)
        os.close(self._fd)
        return os.waitstatus_to_exitcode(status)

    @property
    def plain(self):
        return _CODES.sub("", self.raw)

    def _read(self):
        if not select.select([self._fd], [], [], 0.2)[0]:
            return True
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # the other end is closed
            return False
        self.raw += data.decode(errors="replace")
        return bool(data)


def test_a_proposed_call_is_asked_with_its_case_and_the_mission_ends_with_the_report(home):
    terminal = Terminal(*run_arguments("--home", home))

    terminal.until("Question 1 of 1")
    terminal.until("amount = 900.00")
    terminal.until("[l]ater?")
    terminal.type("s")
    terminal.until("change NAME=VALUE")
    terminal.type("amount=450.00")
    terminal.until("change NAME=VALUE")
    terminal.type("")
    terminal.until("note")
    terminal.type("half of it")
    terminal.until("steer by")
    terminal.until("Paid: 470.00 USD in 2 payments")

    assert terminal.end() == 0
    assert remit("missions", "--home", home, "--json").json[0]["status"] == "completed"


def test_what_a_document_says_does_not_command_the_terminal(home):
    terminal = Terminal(*run_arguments("--home", home, lines=[], ask="\x1b[2J closed?"))

    terminal.until("Is the order closed?")
    terminal.until('order.txt, page 1: "\ufffd[2J closed?"')
    terminal.until("[a]pprove, [r]eject, [l]ater?")  # a question has no call to steer
    terminal.type("a")
    terminal.until("note")
    terminal.type("")
    terminal.until("approve by")

    assert terminal.end() == 0
    assert "\x1b[2J" not in terminal.raw


def test_what_is_left_for_later_waits_and_can_be_answered_later(home):
    terminal = Terminal(*run_arguments("--home", home))
    terminal.until("[l]ater?")
    terminal.type("x")
    terminal.until("[l]ater?")
    terminal.type("l")
    terminal.until("1 wait for a person")
    assert terminal.end() == 0

    (asked,) = remit("approvals", "--home", home, "--json").json
    assert remit("approvals", "reject", asked["id"], "--home", home).code == 0


def test_ctrl_c_at_a_question_ends_the_command_and_not_the_mission(home):
    terminal = Terminal(*run_arguments("--home", home))
    terminal.until("[l]ater?")
    os.kill(terminal.pid, signal.SIGINT)

    assert terminal.end() == 130
    assert remit("missions", "--home", home, "--json").json[0]["status"] == "waiting"


def test_ctrl_c_while_work_is_under_way_loses_nothing(home):
    slow = [{"vendor": "Slow Ltd", "amount": "20.00"}]
    terminal = Terminal(*run_arguments("--home", home, lines=slow))
    terminal.until("running")
    os.kill(terminal.pid, signal.SIGINT)
    assert terminal.end() == 130

    (mission,) = remit("missions", "--home", home, "--json").json
    watched = remit("watch", mission["id"], "--home", home, "--json")
    assert watched.json["status"] == "completed"


def test_no_color_is_honoured(home):
    terminal = Terminal("agents", "--home", home, NO_COLOR="1")
    assert terminal.end() == 0
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", terminal.raw)
    assert json.loads(remit("agents", "--home", home, "--json").out)
