"""What the package promises to type checkers."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_public_surface_has_the_types_that_its_users_rely_on(tmp_path):
    surface = Path(__file__).with_name("surface.py")
    cache = ROOT / ".mypy_cache" if (ROOT / ".mypy_cache").is_dir() else tmp_path
    command = [sys.executable, "-m", "mypy", "--strict", f"--cache-dir={cache}", str(surface)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
