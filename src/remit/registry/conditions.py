"""Conditions of steps: CEL over what the step may look at, type-checked when a workflow is read."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

from remit.errors import ConditionUnclear
from remit.expressions import Conditions, asked, first_line

#: What a condition may speak of.
VARIABLES: Mapping[str, Any] = {
    "inputs": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    "steps": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    "item": cel.Type.DYN,
    "index": cel.Type.INT,
}
_OF_STEPS = Conditions(VARIABLES, may_be_untyped=True)
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
        answer = asked(_compiled(when), given)
    except ValueError as error:
        raise ConditionUnclear(f"`{when}` cannot be told.", hint=str(error)) from error
    if not isinstance(answer, bool):
        if isinstance(answer, (str, int, float, list, dict)) or answer is None:
            raise ConditionUnclear(f"`{when}` is neither true nor false.")
        # CEL gives its errors back as values.
        raise ConditionUnclear(f"`{when}` cannot be told: {first_line(answer)}")
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
    return _OF_STEPS.compiled(when)
