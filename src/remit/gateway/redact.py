"""Masking personal data in answers, and in what is sent to models, where policy asks for it. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from remit.errors import FilterBroken
from remit.gateway.personal import FINDERS
from remit.policy import Obligation

#: For each kind, text in which it must be found, and text in which it must not.
_SAMPLES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "email": (("write to ada@example.org today",), ("at example.org, 5 @ 3 EUR",)),
    "iban": (("IBAN DE89 3704 0044 0532 0130 00, BIC", "GB82WEST12345698765432"), ("DE88370400440532013000",)),
    "card": (("card 4111 1111 1111 1111", "5500005555555559"), ("order 4111111111111112",)),
    "national_id": (
        ("078-05-1120", "12345678Z", "RSSMRA85T10A562S", "1 84 12 76 451 089 46", "86095742719"),
        ("12345678A", "86095742710"),
    ),
    "ip_address": (("from 192.0.2.7", "from 2001:db8::7"), ("version 1.2.3", "at 10:30:15")),
    "phone": (("+49 30 1234567", "call (555) 123-4567"), ("2026-11-21", "1234567", "0.75")),
}


@dataclass(slots=True)
class Redaction:
    """What must be done to one call's values, and what was done."""

    #: Kind to how: `mask` or `tokenise`.
    kinds: Mapping[str, str]
    #: Names a value so that the same value has the same name in one mission, and tells nothing of it.
    digest: Callable[[Any], str]
    found: Counter[str] = field(default_factory=Counter)

    @classmethod
    def owed(cls, obligations: Iterable[Obligation], digest: Callable[[Any], str]) -> "Redaction | None":
        """What these obligations ask for; None where they ask for nothing. Where they differ, masking wins."""
        kinds: dict[str, str] = {}
        for obligation in obligations:
            for kind in obligation.data if obligation.kind == "redact" else ():
                kinds[kind] = "mask" if kinds.get(kind) == "mask" else obligation.how
        return cls(kinds, digest) if kinds else None

    def of(self, value: Any) -> Any:
        """The value without the personal data: the same object where there is none."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            changed = {self._text(name): self.of(item) for name, item in value.items()}
            same = all(
                new is old and name is known
                for (name, new), (known, old) in zip(changed.items(), value.items(), strict=False)
            )
            return value if same and len(changed) == len(value) else changed
        if isinstance(value, (list, tuple)):
            items = [self.of(item) for item in value]
            return value if all(new is old for new, old in zip(items, value, strict=True)) else items
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**11:
            masked = self._text(str(value))
            return value if masked == str(value) else masked
        return value

    def _text(self, text: str) -> str:
        for kind, finder in FINDERS.items():
            if kind in self.kinds:
                text = self._without(kind, finder(text), text)
        return text

    def _without(self, kind: str, spans: Iterable[tuple[int, int]], text: str) -> str:
        parts, end = [], 0
        for start, stop in sorted(spans):
            if start < end:
                continue
            parts += [text[end:start], self._mark(kind, text[start:stop])]
            end = stop
            self.found[kind] += 1
        return "".join([*parts, text[end:]]) if parts else text

    def _mark(self, kind: str, found: str) -> str:
        if self.kinds[kind] == "mask":
            return f"[{kind}]"
        plain = "".join(character for character in found.lower() if character not in " -()/")
        return f"[{kind}:{self.digest([kind, plain])[:12]}]"


def check_filters(kinds: Iterable[str]) -> None:
    """See that each filter finds what it must and leaves alone what it must; asked before a policy relies on it.

    Raises:
        FilterBroken: one does not.
    """
    for kind in sorted(set(kinds)):
        redaction = Redaction({kind: "mask"}, str)
        must, must_not = _SAMPLES[kind]
        passed = [text for text in must if f"[{kind}]" not in redaction.of(text)]
        caught = [text for text in must_not if redaction.of(text) != text]
        if passed or caught:
            raise FilterBroken(f"The filter for {kind} failed its own test, so nothing that relies on it is done.")
