"""Reading resource files, and the prompts that they name, from disk."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from remit.errors import InvalidInput
from remit.resources import RawResource, read_resources

#: A prompt beyond a quarter of a mebibyte is a mistake.
_PROMPT_BYTES_MAX = 1 << 18
_FILE_BYTES_MAX = 1 << 20
_SUFFIXES = (".yaml", ".yml")


def read_files(paths: Iterable[str | Path]) -> list[tuple[str, str]]:
    """Path and text of every resource file that `paths` lead to, each once, by path.

    A folder stands for the `*.yaml` and `*.yml` files in it, not for those in folders below.

    Raises:
        InvalidInput: a path leads nowhere, a folder holds no such file, or a file cannot be read as text.
    """
    found = {str(file): file for path in paths for file in _files(Path(path))}
    if not found:
        raise InvalidInput("No file or folder was named.")
    return [(name, _text(found[name], _FILE_BYTES_MAX)) for name in sorted(found)]


def read_prompts(files: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The text of every prompt file that the agents in `files` name, by its path; what cannot be read is left out.

    Whoever plans an apply gets these texts handed in, so that a server never opens files on a client's word.
    """
    prompts: dict[str, str] = {}
    for name, text in files:
        for raw in read_resources(text, name)[0]:
            for relative in prompt_files(raw).values():
                path = beside(name, relative)
                if path is None or not _within(Path(path), Path(name).parent):
                    continue
                try:
                    prompts[path] = _text(Path(path), _PROMPT_BYTES_MAX)
                except InvalidInput:
                    continue  # planning reports it at its line
    return prompts


def prompt_files(raw: RawResource) -> dict[str, str]:
    """The prompts of an agent that stand in files of their own: prompt to relative path."""
    prompts = raw.fields.get("prompts") if raw.kind == "Agent" else None
    if not isinstance(prompts, Mapping):
        return {}
    return {
        name: prompt["file"]
        for name, prompt in prompts.items()
        if isinstance(prompt, Mapping) and isinstance(prompt.get("file"), str)
    }


def beside(file: str, relative: str) -> str | None:
    """The path of `relative` as seen from the folder of `file`; None where it leads out of that folder."""
    path = PurePosixPath(relative)
    if path.is_absolute() or ".." in path.parts:
        return None
    return str(PurePosixPath(file).parent / path)


def _within(path: Path, folder: Path) -> bool:
    """True where `path`, links followed, stands below `folder`."""
    return path.resolve().is_relative_to(folder.resolve())


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        files = [file for file in path.iterdir() if file.suffix in _SUFFIXES and file.is_file()]
        if not files:
            raise InvalidInput(f"Folder {path} holds no *.yaml or *.yml file.")
        yield from files
    elif path.is_file():
        yield path
    elif path.exists():
        raise InvalidInput(f"{path} is neither a file nor a folder.")
    else:
        raise InvalidInput(f"There is no file or folder {path}.")


def _text(path: Path, bytes_max: int) -> str:
    try:
        if path.stat().st_size > bytes_max:
            raise InvalidInput(f"{path} has more than {bytes_max} bytes.")
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8 text.") from error
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.") from error
