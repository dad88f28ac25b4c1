"""Where a file stands that a source names: one rule for all of them."""

from pathlib import Path

#: What to do where there is none.
FILE_HINT = "Name it by its full path, or by its path from the home."


def file_at(written: str, home: str | Path) -> Path:
    """The file: a full path as it is written, any other from the home; `{home}` stands for the home too.

    A command runs in whatever folder, and a server in another: neither says where a file is.
    """
    return Path(home) / written.replace("{home}", str(home))
