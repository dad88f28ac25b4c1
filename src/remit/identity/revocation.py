"""What was revoked: a token, all tokens of an agent or for a principal, or all that a key signed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

SCOPE = re.compile(r"(token|agent|principal|key)/[A-Za-z0-9@._-]{1,200}")


class Revocable(Protocol):
    """What a token says that a revocation can name."""

    @property
    def token(self) -> str: ...
    @property
    def parents(self) -> tuple[str, ...]: ...
    @property
    def agents(self) -> tuple[str, ...]: ...
    @property
    def principal(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def issued_at_us(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Revocations:
    """Scopes (`token/ID`, `key/ID`, `agent/NAME[@VERSION]`, `principal/ID`) and since when each is revoked.

    A token and a key are revoked for good. What is revoked of an agent or a principal are the tokens that were issued
    up to that instant; one that is issued later is new leave.
    """

    since_us: Mapping[str, int] = field(default_factory=dict)

    def covering(self, token: Revocable) -> str | None:
        """The scope that takes this token's leave away, or None. What was narrowed from a token goes with it."""
        if not self.since_us:
            return None
        for scope in (*(f"token/{name}" for name in (token.token, *token.parents)), f"key/{token.key}"):
            if scope in self.since_us:
                return scope
        agents = (name for ref in token.agents for name in (ref, ref.partition("@")[0]))
        for scope in (f"principal/{token.principal}", *(f"agent/{name}" for name in agents)):
            if token.issued_at_us <= self.since_us.get(scope, -1):
                return scope
        return None
