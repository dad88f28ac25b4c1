"""Conditions of policies: CEL expressions, type-checked when a policy is loaded."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cel_expr_python import cel

from remit.expressions import Conditions, asked

#: What a condition may speak of. Amounts are in the currency of the policy's limits, or the call's own without one;
#: `currency` is the call's own.
VARIABLES: Mapping[str, Any] = {
    "agent": cel.Type.STRING,
    "tool": cel.Type.STRING,
    "tier": cel.Type.STRING,
    "principal": cel.Type.STRING,
    "mission": cel.Type.STRING,
    "skill": cel.Type.STRING,
    "args": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    "amount": cel.Type.DOUBLE,
    "currency": cel.Type.STRING,
    "payee": cel.Type.STRING,
}
#: The variables that exist only where the tool declares the role.
FROM_ROLES = frozenset({"amount", "currency", "payee"})


@dataclass(frozen=True, slots=True)
class Condition:
    """When `when` holds, the policy denies the call or asks a person."""

    name: str
    when: str
    effect: Literal["deny", "ask"]
    #: What the person reads; empty where the author wrote none.
    message: str
    program: Any
    #: The variables from roles that the expression speaks of.
    needs: frozenset[str]

    @classmethod
    def of(cls, name: str, when: str, *, effect: Literal["deny", "ask"], message: str = "") -> "Condition":
        """Compile `when`.

        Raises:
            ValueError: it is no CEL expression over `VARIABLES` that is true or false.
        """
        program = _OF_POLICIES.compiled(when)
        needs = frozenset(variable for variable in FROM_ROLES if variable in when and _speaks_of(variable, when))
        return cls(name, when, effect, message, program, needs)

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether the condition is true of `values`.

        Raises:
            ValueError: it cannot be told, as when an argument is missing or of another type.
        """
        answer = asked(self.program, values)
        if not isinstance(answer, bool):
            # CEL gives its errors back as values.
            raise ValueError(str(answer))  # noqa: TRY004  what the caller handles is one error, whatever its cause
        return answer


def constant(condition: Condition) -> bool | None:
    """What a condition comes to that speaks of nothing in the call; None where it depends on the call."""
    try:
        cel.NewEnv(variables={}).compile(condition.when)
    except RuntimeError:
        return None
    try:
        return condition.holds({})
    except ValueError:
        return None


def compared(when: str, variable: str) -> list[str]:
    """The texts that a condition wants `variable` to be equal to: `skill == 'x'`, or in a list of texts."""
    found = []
    for match in re.finditer(rf"(?<![\w.'\"]){variable}\s*(?:==\s*|in\s*\[)", when):
        rest = when[match.end() :]
        listed = rest.split("]", 1)[0] if match[0].endswith("[") else rest
        texts = re.findall(r"'([^'\\]*)'|\"([^\"\\]*)\"", listed)
        starts = rest.lstrip()[:1] in {"'", '"'}
        found += [one or two for one, two in (texts if match[0].endswith("[") else texts[:1]) if starts]
    return found


def checked(when: str) -> str:
    """`when` itself.

    Raises:
        ValueError: see `Condition.of`.
    """
    _OF_POLICIES.compiled(when)
    return when


def _speaks_of(variable: str, when: str) -> bool:
    """True where the expression means the variable, not a field or a text of that name."""
    without = cel.NewEnv(variables={name: kind for name, kind in VARIABLES.items() if name != variable})
    try:
        without.compile(when)
    except RuntimeError:
        return True
    return False


def _advice(told: str) -> str:
    if "(double, int)" in told or "(int, double)" in told:
        return "; amount is a double: write 5000.0, not 5000"
    return ""


_OF_POLICIES = Conditions(VARIABLES, advice=_advice)
