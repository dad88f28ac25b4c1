"""Takes secrets out of what comes back: an upstream that echoes its credential must not tell it to an agent."""

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

#: What stands in a secret's place.
MARK = "[credential]"
#: Shorter words are part of ordinary text; a secret is longer.
_LENGTH_MIN = 6


class Scrubber:
    """Knows the forms in which some secrets may come back, and replaces each by `MARK`."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in _forms(secret) if len(form) >= _LENGTH_MIN}
        self._forms = sorted((form.encode() for form in forms), key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, self._forms))) if forms else None
        self._held = b""

    def __bool__(self) -> bool:
        return self._pattern is not None

    def text(self, text: str) -> str:
        """The text without the secrets."""
        return self.whole(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")

    def whole(self, content: bytes) -> bytes:
        """The content without the secrets."""
        return content if self._pattern is None else self._pattern.sub(MARK.encode(), content)

    def feed(self, chunk: bytes) -> bytes:
        """The next part of a stream; an end that may be the beginning of a secret is held until more has come."""
        if self._pattern is None:
            return chunk
        content = self.whole(self._held + chunk)
        cut = len(content) - max(self._begun(content, form) for form in self._forms)
        self._held = content[cut:]
        return content[:cut]

    def end(self) -> bytes:
        """What was held when the stream ended."""
        held, self._held = self._held, b""
        return held

    @staticmethod
    def _begun(content: bytes, form: bytes) -> int:
        """How many bytes at the end may be the beginning of `form`."""
        at = content.find(form[:1], max(0, len(content) - len(form) + 1))
        while at >= 0:
            if form.startswith(content[at:]):
                return len(content) - at
            at = content.find(form[:1], at + 1)
        return 0


def _forms(secret: str) -> Iterable[str]:
    """A secret as such, and as JSON, addresses and headers write it."""
    encoded = base64.b64encode(secret.encode()).decode()
    yield from (secret, encoded, encoded.rstrip("="))
    yield from (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
    yield from (quote(secret, safe=""), quote_plus(secret), quote(secret))
