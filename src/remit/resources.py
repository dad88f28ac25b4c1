"""Resource files: YAML in, typed models out, every problem at its line.

A resource is a YAML document with `apiVersion: remit/v1`, `kind`, `name` and its fields at the top level; a file may
hold several. Reading judges the form only: which kinds exist and what their fields mean is for those who own them.

Text is read as YAML 1.2 reads it: `yes`, `no`, `on`, `off` and dates are text; keys are always text. No-break spaces
and en dashes at the place of a list marker, as word processors and web pages make them, are read as what was meant,
with a warning.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from hashlib import sha256
from typing import Any, Literal, TypeVar, get_args

import orjson
import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

M = TypeVar("M", bound=BaseModel)
Path = tuple[str | int, ...]

API_VERSION = "remit/v1"
#: A file beyond one mebibyte is a mistake, not a declaration.
BYTES_MAX = 1 << 20
#: How deep lists and mappings may stand in each other.
DEPTH_MAX = 50
#: How many values a file may stand for once its aliases are written out.
NODES_MAX = 200_000

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,126}")
_BLOCK_SCALAR = re.compile(r"(?:^|[:\-]\s+)[|>][-+0-9]{0,2}\s*(?:#.*)?$")
_DASH_ITEM = re.compile(r"^(\s*(?:-\s+)*)\u2013(?=\s|$)")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_CONSTANTS: dict[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_DELICATE = re.compile(r"credential|secret|token|password|header|env|key", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong in a resource file, and where."""

    file: str
    #: Counted from one; 0 where it is not known.
    line: int
    #: Dotted path of the field; empty for the whole document.
    where: str
    #: What is wrong and what is expected.
    message: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.where + ': ' if self.where else ''}{self.message}"


@dataclass(frozen=True, slots=True)
class RawResource:
    """One document as it was written, before anyone judged its fields."""

    kind: str
    name: str
    #: Everything but `apiVersion` and `kind`.
    fields: Mapping[str, Any]
    file: str
    line: int
    #: The line of every field and item, by its path in `fields`.
    lines: Mapping[Path, int]
    #: True where the document was a bare `policy:` mapping without `apiVersion`, `kind` and `name`.
    bare: bool = False

    def line_of(self, path: Path) -> int:
        """The line of `path`, or of the nearest enclosing field that was written."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, self.line)

    def problem(self, path: Path, message: str, severity: Literal["error", "warning"] = "error") -> Problem:
        """A problem of the field at `path`, at its line."""
        return Problem(self.file, self.line_of(path), dotted(path), message, severity)


def read_resources(text: str, file: str) -> tuple[list[RawResource], list[Problem]]:
    """Read every resource in `text`; what is wrong with its form is reported all together.

    A resource whose kind and name can be read is returned even where something else is wrong with it, so that its
    fields can be judged in the same pass. A problem of severity error means that nothing in the file may be applied.
    """
    problems: list[Problem] = []
    documents = _read(text, file, problems)
    if not documents and not problems:
        problems.append(Problem(file, 1, "", "the file holds no resource", "warning"))
    resources = [found for document in documents if (found := _resource(document, file, problems)) is not None]
    return resources, sorted(problems, key=lambda problem: problem.line)


def read_mapping(text: str, file: str) -> tuple[RawResource | None, list[Problem]]:
    """Read a file that is one plain mapping, without `apiVersion`, `kind` and `name`; its kind and name are empty."""
    problems: list[Problem] = []
    documents = _read(text, file, problems)
    if not any(problem.severity == "error" for problem in problems):
        if len(documents) == 1 and isinstance(documents[0].value, dict):
            lines: dict[Path, int] = {}
            fields = _plain(documents[0], (), lines)
            return RawResource("", "", fields, file, documents[0].line, lines), problems
        problems.append(Problem(file, 1, "", "expected one mapping of fields"))
    return None, problems


def validate(raw: RawResource, model: type[M]) -> tuple[M | None, list[Problem]]:
    """Check the fields of `raw` against `model`; every error stands at its line in the file.

    Nothing is coerced: `"5000"` is not a number, `true` is not 1, and a field that the model does not know is refused.
    """
    try:
        return model.model_validate_json(orjson.dumps(raw.fields), strict=True, extra="forbid"), []
    except ValidationError as error:
        found: dict[Path, list[str]] = {}
        for detail in error.errors(include_url=False):
            path = _written(detail, raw)
            message = _message(detail, path, model)
            if message not in found.setdefault(path, []):
                found[path].append(message)
        problems = [raw.problem(path, "; or ".join(messages)) for path, messages in found.items()]
        return None, sorted(problems, key=lambda problem: problem.line)


def sketch(kind: str, name: str, fields: Mapping[str, Any], note: str, *, whole: bool = False) -> str:
    """YAML that tells a person what to write: a `whole` document, or the fields to change in one that there is.

    `note` is a comment above it, a line for each of its lines.
    """
    head = {"apiVersion": API_VERSION} if whole else {}
    document = {**head, "kind": kind, "name": name, **fields}
    text = yaml.safe_dump(document, sort_keys=False, default_flow_style=None, allow_unicode=True, width=10_000)
    return "".join(f"# {line}\n" for line in note.splitlines()) + text


def content_hash(fields: Mapping[str, Any]) -> str:
    """The SHA-256 of the fields as canonical JSON (sorted keys, no spaces), in hex."""
    return sha256(orjson.dumps(dict(fields), option=orjson.OPT_SORT_KEYS)).hexdigest()


def dotted(path: Path) -> str:
    """`("roles", 0, "name")` as `roles[0].name`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


# --- Text -----------------------------------------------------------------------------------------------------------


def _normalised(text: str, file: str) -> tuple[str, list[Problem]]:
    """The text with the typography of word processors taken back; block scalars keep their content."""
    if "\u00a0" not in text and "\u2013" not in text:
        return text, []
    problems: list[Problem] = []
    lines = text.split("\n")
    block_indent: int | None = None
    for index, line in enumerate(lines):
        body = line.lstrip(" \u00a0")
        indent = len(line) - len(body)
        if block_indent is not None and body.strip() and indent <= block_indent:
            block_indent = None
        inside = block_indent is not None
        plain = " " * indent + (body if inside else body.replace("\u00a0", " "))
        if plain != line:
            problems.append(Problem(file, index + 1, "", "no-break spaces are read as spaces", "warning"))
        dashed = plain if inside else _DASH_ITEM.sub(r"\1-", plain)
        if dashed != plain:
            problems.append(Problem(file, index + 1, "", "an en dash is read as the list marker '-'", "warning"))
        lines[index] = dashed
        if not inside and _BLOCK_SCALAR.search(dashed):
            block_indent = indent
    return "\n".join(lines), problems


def _read(text: str, file: str, problems: list[Problem]) -> "list[_Node]":
    """The documents of `text` that are not empty."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        problems.append(Problem(file, 1, "", "the file is not UTF-8 text"))
        return []
    if size > BYTES_MAX:
        problems.append(Problem(file, 1, "", f"the file has {size} bytes; at most {BYTES_MAX} are read"))
        return []
    text, warnings = _normalised(text.removeprefix("\ufeff"), file)
    problems += warnings
    return list(_Reader(file, problems).documents(text))


# --- YAML -----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Node:
    line: int
    value: Any
    #: How many values this one stands for, with all that is in it and its aliases written out.
    size: int = 1


@dataclass(slots=True)
class _Refused(Exception):
    """The file cannot be read on from here."""

    line: int
    message: str


@dataclass(slots=True)
class _Reader:
    """Builds values with their lines from YAML events, within bounds."""

    file: str
    problems: list[Problem]
    _size: int = 0
    _anchors: dict[str, _Node] = field(default_factory=dict)

    def documents(self, text: str) -> Iterator[_Node]:
        try:
            events: Iterator[yaml.Event] = iter(yaml.parse(text, Loader=_LOADER))
            for event in events:
                if isinstance(event, yaml.DocumentStartEvent):
                    self._anchors = {}
                    node = self._node(next(events), events, 0)
                    if node.value is not None:
                        yield node
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            told = ", ".join(part for part in (error.context, error.problem) if part)
            self._report(mark.line + 1 if mark else 1, f"this is not YAML: {told}")
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1 if isinstance(error.position, int) else 1
            self._report(line, f"this is not YAML: {error.reason}")
        except _Refused as error:
            self._report(error.line, error.message)

    def _report(self, line: int, message: str) -> None:
        self.problems.append(Problem(self.file, line, "", message))

    def _node(self, event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> _Node:
        line = _line(event)
        if isinstance(event, yaml.AliasEvent):
            node = self._anchors.get(event.anchor or "")
            if node is None:
                raise _Refused(line, f"alias *{event.anchor} names no anchor that stands before it and is complete")
            self._count(node.size, line)
            return node
        if depth > DEPTH_MAX:
            raise _Refused(line, f"lists and mappings stand more than {DEPTH_MAX} deep in each other")
        self._count(1, line)
        if isinstance(event, yaml.MappingStartEvent):
            node = self._mapping(line, events, depth)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._sequence(line, events, depth)
        else:
            node = _Node(line, self._scalar(event, line))
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _count(self, size: int, line: int) -> None:
        self._size += size
        if self._size > NODES_MAX:
            raise _Refused(line, f"with its aliases written out the file holds more than {NODES_MAX} values")

    def _sequence(self, line: int, events: Iterator[yaml.Event], depth: int) -> _Node:
        items = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(self._node(event, events, depth + 1))
        return _Node(line, items, 1 + sum(item.size for item in items))

    def _mapping(self, line: int, events: Iterator[yaml.Event], depth: int) -> _Node:
        #: Key to the key's line and the value.
        entries: dict[str, tuple[int, _Node]] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key_line = _line(event)
            if not isinstance(event, yaml.ScalarEvent):
                raise _Refused(key_line, "a key must be plain text")
            key = event.value
            value = self._node(next(events), events, depth + 1)
            if key == "<<" and event.implicit[0]:
                self._report(key_line, "merge keys (<<) are not read: write the fields out")
            elif key in entries:
                self._report(key_line, f"key {key!r} stands twice; the first is on line {entries[key][0]}")
            else:
                entries[key] = (key_line, value)
        return _Node(line, entries, 1 + sum(value.size for _, value in entries.values()))

    def _scalar(self, event: yaml.Event, line: int) -> Any:
        assert isinstance(event, yaml.ScalarEvent)
        text: str = event.value
        if event.tag == "tag:yaml.org,2002:str" or (event.tag in {None, "!"} and not event.implicit[0]):
            return text
        if event.tag is not None:
            self._report(line, f"tag {event.tag!r} is not read: write the plain value")
            return text
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if _INTEGER.fullmatch(text) and len(text) < 19:
            return int(text)
        if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
            if _INTEGER.fullmatch(text):
                self._report(line, f"{text[:40]} has too many digits for a number; put text in quotes")
            return number
        return text


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark is not None else 1


# --- Documents ------------------------------------------------------------------------------------------------------


def _resource(document: _Node, file: str, problems: list[Problem]) -> RawResource | None:
    if not isinstance(document.value, dict):
        problems.append(Problem(file, document.line, "", "a resource is a mapping with apiVersion, kind and name"))
        return None
    entries: dict[str, tuple[int, _Node]] = document.value
    if entries.keys() == {"policy"} and isinstance(entries["policy"][1].value, dict):
        return _bare_policy(*entries["policy"], file, problems)

    def head(key: str, expected: str) -> str:
        line, node = entries.get(key, (document.line, None))
        if node is not None and isinstance(node.value, str) and node.value:
            return node.value
        what = f"is missing: expected {expected}" if node is None else f"must be {expected}"
        problems.append(Problem(file, line, key, what))
        return ""

    version, kind, name = head("apiVersion", API_VERSION), head("kind", "text"), head("name", "text")
    if version and version != API_VERSION:
        problems.append(Problem(file, entries["apiVersion"][0], "apiVersion", f"{version!r} is not {API_VERSION!r}"))
    if not kind or not name:
        return None
    if not _NAME.fullmatch(name):
        expected = "letters, digits, '.', '_' and '-', at most 127, the first a letter or digit"
        problems.append(Problem(file, entries["name"][0], "name", f"{name[:40]!r} is no name: expected {expected}"))
    kept = _Node(document.line, {key: entry for key, entry in entries.items() if key not in {"apiVersion", "kind"}})
    lines: dict[Path, int] = {}
    return RawResource(kind, name, _plain(kept, (), lines), file, document.line, lines)


def _bare_policy(line: int, node: _Node, file: str, problems: list[Problem]) -> RawResource:
    lines: dict[Path, int] = {}
    fields = _plain(node, (), lines)
    if not isinstance(fields.get("name"), str):
        agents = fields.get("agents")
        agent = fields.get("agent") or (agents[0] if isinstance(agents, list) and agents else "unnamed")
        fields["name"] = re.sub(r"[^a-z0-9]+", "-", str(agent).lower()).strip("-")[:100] + "-policy"
    lines[()] = line
    told = f"a bare policy: document, read as kind Policy with the name {fields['name']!r}"
    problems.append(Problem(file, line, "policy", told, "warning"))
    return RawResource("Policy", fields["name"], fields, file, line, lines, bare=True)


def _plain(node: _Node, path: Path, lines: dict[Path, int]) -> Any:
    """The node as plain values; `lines` receives the line of everything in it."""
    lines.setdefault(path, node.line)
    if isinstance(node.value, dict):
        fields = {}
        for key, (line, value) in node.value.items():
            lines[(*path, key)] = line
            fields[key] = _plain(value, (*path, key), lines)
        return fields
    if isinstance(node.value, list):
        return [_plain(item, (*path, index), lines) for index, item in enumerate(node.value)]
    return node.value


# --- Validation -----------------------------------------------------------------------------------------------------


def _written(detail: ErrorDetails, raw: RawResource) -> Path:
    """The path in the file that an error is about: pydantic's own marks between (names of union members) fall out."""
    path: Path = ()
    for part in detail["loc"]:
        if (*path, part) in raw.lines:
            path = (*path, part)
    if detail["type"] == "missing":
        path = (*path, detail["loc"][-1])
    return path


def _message(detail: ErrorDetails, path: Path, model: type[BaseModel]) -> str:
    if detail["type"] == "missing":
        return "this field is missing"
    if detail["type"] == "extra_forbidden":
        known = sorted(_known_fields(model, detail["loc"][:-1]))
        near = get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)
        return "unknown field; " + (f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}")
    message = detail["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    message = message.replace("valid array", "list").replace("valid object", "mapping of fields")
    value = detail["input"]
    if detail["type"] == "value_error" or _DELICATE.search(dotted(path)):
        return message
    if isinstance(value, (str, int, float)) or value is None:
        return f"{message}, not {_shown(value)}"
    return f"{message}, not a {'mapping' if isinstance(value, dict) else 'list'}"


def _shown(value: str | float | None) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= 60 else text[:57] + "..."


def _known_fields(model: type[BaseModel], location: tuple[str | int, ...]) -> set[str]:
    """The fields that stand where `location` leads; in a union those of all its members."""
    models = [model]
    for part in location:
        below = [
            found
            for candidate in models
            for name, info in candidate.model_fields.items()
            if part in {name, info.alias}
            for found in _models_in(info.annotation)
        ]
        models = below or models
    return {info.alias or name for candidate in models for name, info in candidate.model_fields.items()}


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for argument in get_args(annotation) for found in _models_in(argument)]
