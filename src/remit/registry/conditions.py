"""Conditions of steps: CEL over what the step may look at, type-checked when a workflow is read."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

from remit.errors import ConditionUnclear

#: What a condition may speak of.
VARIABLES: Mapping[str, Any] = {
    "inputs": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    "steps": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    "item": cel.Type.DYN,
    "index": cel.Type.INT,
}
LENGTH_MAX = 2000
_ENV = cel.NewEnv(variables=VARIABLES)
_STEP = re.compile(r"(?<![\w.])steps\s*(?:\.\s*([A-Za-z_]\w*)|\[\s*['\"]([^'\"]*)['\"]\s*\])")
_TEXT = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")


def check_condition(when: str) -> None:
    """Return where `when` is a condition over `VARIABLES`.

    Raises:
        ValueError: it does not compile, or gives anything but true or false.
    """
    _compiled(when)


def holds(when: str, values: Mapping[str, Any]) -> bool:
    """Whether the condition is true of `values`.

    Raises:
        ConditionUnclear: it cannot be told, as where a field is missing.
    """
    given = {"inputs": {}, "steps": {}, "item": None, "index": 0, **values}
    try:
        answer = _compiled(when).eval(data=given).value()
    except Exception as error:  # the C++ binding names no types: whatever it raises, the answer is not known
        raise ConditionUnclear(f"`{when}` cannot be told.", hint=_first_line(error)) from error
    if not isinstance(answer, bool):
        if isinstance(answer, (str, int, float, list, dict)) or answer is None:
            raise ConditionUnclear(f"`{when}` is neither true nor false.")
        # CEL gives its errors back as values.
        raise ConditionUnclear(f"`{when}` cannot be told: {_first_line(answer)}")
    return answer


def steps_in(when: str) -> list[str]:
    """The steps that a condition looks at, in order."""
    without_texts = _TEXT.sub(lambda text: text[0] if _is_index(when, text) else "''", when)
    return list(dict.fromkeys(name or quoted for name, quoted in _STEP.findall(without_texts)))


def speaks_of_item(when: str) -> bool:
    """True where the condition is asked for each item of a list."""
    return re.search(r"(?<![\w.])(item|index)\b", _TEXT.sub("''", when)) is not None


def _is_index(when: str, text: re.Match[str]) -> bool:
    return when[: text.start()].rstrip().endswith("[") and when[text.end() :].lstrip().startswith("]")


@lru_cache(maxsize=1024)
def _compiled(when: str) -> Any:
    if len(when) > LENGTH_MAX:
        raise ValueError(f"the condition has {len(when)} characters; at most {LENGTH_MAX} are read")
    try:
        program = _ENV.compile(when)
    except TypeError:
        raise ValueError("the condition is not Unicode text") from None
    except RuntimeError as error:
        told = _first_line(error).replace("INVALID_ARGUMENT: ", "").removeprefix("ERROR: <input>:").strip()
        known = f"; known are {', '.join(VARIABLES)}" if "undeclared reference" in told else ""
        raise ValueError(f"this is no valid condition: {told}{known}") from error
    if program.return_type() not in (cel.Type.BOOL, cel.Type.DYN):
        kind = program.return_type().name()
        raise ValueError(f"the condition gives {kind}: expected a comparison that is true or false")
    return program


def _first_line(error: object) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
