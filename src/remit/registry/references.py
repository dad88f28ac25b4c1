"""References in workflows: `${inputs.item}`, `${steps.quote.output.price}`, alone or within a text.

A reference that is a whole value keeps its type; within a text it stands as text. `?` at the end (`${item.note?}`)
gives null, or nothing within a text, where there is no such value; without it the step fails. `$${` is a plain `${`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from remit.errors import ReferenceEmpty

#: What a reference may begin with.
ROOTS = ("inputs", "item", "index", "steps")
#: What may be asked of a step.
OF_STEPS = ("output", "status", "code")

_WRITTEN = re.compile(r"\$?\$\{([^{}]*)\}")
_FORM = re.compile(r"([a-z]+)((?:\.[A-Za-z_][\w-]*|\[\d{1,6}\])*)(\?)?")
_PART = re.compile(r"\.([A-Za-z_][\w-]*)|\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Reference:
    """One place in what a step may look at."""

    root: str
    path: tuple[str | int, ...]
    #: True where nothing may stand there.
    optional: bool = False

    @classmethod
    def of(cls, written: str) -> "Reference":
        """Read what stands between the braces.

        Raises:
            ValueError: it is no reference.
        """
        form = _FORM.fullmatch(written.strip())
        if form is None or form[1] not in ROOTS:
            raise ValueError(
                f"'${{{written[:60]}}}' is no reference: expected inputs.NAME, steps.STEP.output, item or index, "
                "with further fields as .NAME and places in lists as [0]"
            )
        path = tuple(name or int(place) for name, place in _PART.findall(form[2]))
        if form[1] == "steps" and (len(path) < 2 or path[1] not in OF_STEPS):
            raise ValueError(f"'${{{written[:60]}}}' must name a step and one of {', '.join(OF_STEPS)}")
        return cls(form[1], path, form[3] is not None)

    @property
    def step(self) -> str:
        """The step that it looks at; empty for none."""
        return str(self.path[0]) if self.root == "steps" else ""

    def __str__(self) -> str:
        parts = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path)
        return f"${{{self.root}{parts}{'?' if self.optional else ''}}}"


@dataclass(slots=True)
class LookUp:
    """Fills templates in with what a step may look at."""

    #: `inputs`, `steps`, and within a list `item` and `index`.
    scope: Mapping[str, Any]
    #: Texts that were put together from references to `inputs` and the workflow's own words alone.
    composed: list[str] = field(default_factory=list)

    def fill(self, template: Any) -> Any:
        """The template with every reference replaced by its value.

        Raises:
            ReferenceEmpty: nothing stands where a reference leads.
        """
        if isinstance(template, Mapping):
            return {key: self.fill(value) for key, value in template.items()}
        if isinstance(template, list):
            return [self.fill(value) for value in template]
        return self._text(template) if isinstance(template, str) else template

    def value(self, reference: Reference) -> Any:
        """What stands at the reference.

        Raises:
            ReferenceEmpty: nothing does.
        """
        found: Any = self.scope.get(reference.root)
        for depth, part in enumerate(reference.path):
            listed = isinstance(found, list) and isinstance(part, int) and part < len(found)
            if listed or (isinstance(found, Mapping) and part in found):
                found = found[part]
            elif reference.optional:
                return None
            else:
                way = Reference(reference.root, reference.path[: depth + 1])
                raise ReferenceEmpty(f"{reference} leads nowhere: there is no {way}.")
        if found is None and not reference.optional:
            raise ReferenceEmpty(f"{reference} leads to nothing; write a `?` at its end where that is right.")
        return found

    def _text(self, text: str) -> Any:
        found = list(_WRITTEN.finditer(text))
        if len(found) == 1 and found[0][0] == text and not text.startswith("$$"):
            return self.value(Reference.of(found[0][1]))
        references = [Reference.of(match[1]) for match in found if not match[0].startswith("$$")]
        filled = _WRITTEN.sub(self._within, text)
        if references and all(reference.root == "inputs" for reference in references):
            self.composed.append(filled)
        return filled

    def _within(self, match: re.Match[str]) -> str:
        if match[0].startswith("$$"):
            return match[0][1:]
        value = self.value(Reference.of(match[1]))
        if value is None:
            return ""
        return value if isinstance(value, str) else orjson.dumps(value).decode()


def as_text(value: Any) -> Any:
    """A template that gives exactly this value: what looks like a reference in it is none."""
    if isinstance(value, Mapping):
        return {key: as_text(one) for key, one in value.items()}
    if isinstance(value, list):
        return [as_text(one) for one in value]
    return _WRITTEN.sub(lambda match: f"${match[0]}", value) if isinstance(value, str) else value


def references(template: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Reference]]:
    """Every reference in a template, each with its place.

    Raises:
        ValueError: something between braces is no reference.
    """
    if isinstance(template, Mapping):
        for key, value in template.items():
            yield from references(value, (*at, str(key)))
    elif isinstance(template, list):
        for place, value in enumerate(template):
            yield from references(value, (*at, place))
    elif isinstance(template, str):
        for match in _WRITTEN.finditer(template):
            if not match[0].startswith("$$"):
                yield at, Reference.of(match[1])


def literals(template: Any) -> Iterator[Any]:
    """The values in a template that refer to nothing: its author's own."""
    if isinstance(template, Mapping):
        for value in template.values():
            yield from literals(value)
    elif isinstance(template, list):
        for value in template:
            yield from literals(value)
    elif isinstance(template, str):
        if not any(not match[0].startswith("$$") for match in _WRITTEN.finditer(template)):
            yield template.replace("$${", "${")
    elif template is not None:
        yield template
