"""The rate table of a home: `rates.yaml` with `base`, `on` and `rates`."""

from datetime import date
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from remit.quantities import MICROS, Rates
from remit.resources import Problem, read_mapping, validate


def _rate(value: Any) -> int:
    """What one unit is worth in `base`, in millionths."""
    expected = f"expected a decimal above zero such as '1.08', not {value!r}"
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(expected)  # noqa: TRY004  pydantic catches it
    try:
        rate = Decimal(str(value))
    except InvalidOperation as error:
        raise ValueError(expected) from error
    if not rate.is_finite() or not 0 < rate < 10**9:
        raise ValueError(expected)
    micros = int((rate * MICROS).to_integral_value(ROUND_HALF_UP))
    if not micros:
        raise ValueError(f"{value!r} is less than a millionth: choose a base of lesser value")
    return micros


Currency = Annotated[str, Field(pattern="^[A-Z]{3}$")]


class RatesFields(BaseModel):
    #: ISO 4217 code.
    base: Currency
    #: The day of which the rates are.
    on: date
    #: Currency to the value of one unit in `base`, as decimal text.
    rates: dict[Currency, Annotated[int, BeforeValidator(_rate)]]


def load_rates(text: str, file: str) -> tuple[Rates | None, list[Problem]]:
    """The table in `text`, and everything that is wrong with it; a table with an error is None."""
    raw, problems = read_mapping(text, file)
    if raw is None:
        return None, problems
    fields, found = validate(raw, RatesFields)
    problems += found
    if fields is None:
        return None, problems
    return Rates(fields.base, fields.on, fields.rates), problems
