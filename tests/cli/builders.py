"""Starting the command line for real, over a small office of our own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

OFFICE = Path(__file__).parent / "office"
REMIT = (sys.executable, "-m", "remit.cli")
#: A small payment, one over the policy's limit, and one to a vendor that is not allowed.
LINES = [
    {"vendor": "Paper Inc", "amount": "20.00"},
    {"vendor": "Paper Inc", "amount": "900.00"},
    {"vendor": "Evil", "amount": "5.00"},
]


def environment(**more):
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "USER", "LOGNAME") if name in os.environ}
    return {**kept, "PYTHONPATH": str(OFFICE), "TERM": "xterm-256color", **more}


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


def remit(*arguments, folder=None, **more):
    command, told = [*REMIT, *map(str, arguments)], environment(**more)
    done = subprocess.run(command, capture_output=True, text=True, env=told, cwd=folder, timeout=60, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


def run_arguments(*more, lines=LINES, ask=None):
    asked = ["--set", f"ask={ask}"] if ask else []
    return ["run", "office", "--set", "currency=USD", "--set", f"lines={json.dumps(lines)}", *asked, *more]
