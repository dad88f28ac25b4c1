"""Money as integer micro-units with its currency, and rates between currencies."""

import re
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

MICROS = 1_000_000
_CURRENCY = re.compile(r"[A-Z]{3}")
#: No single amount is larger than a thousand million million: what is beyond is a mistake, not money.
_MICROS_MAX = 10**15 * MICROS


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in millionths of a currency's unit."""

    micros: int
    #: ISO 4217 code.
    currency: str

    @classmethod
    def of(cls, amount: str | int | Decimal, currency: str) -> "Money":
        """Read decimal text such as `"197.65"`.

        Raises:
            ValueError: not a decimal number, more than six decimals, out of bounds, or not a currency code.
        """
        if not _CURRENCY.fullmatch(currency):
            raise ValueError(f"{currency!r} is not a three-letter currency code")
        try:
            micros = Decimal(amount) * MICROS
        except InvalidOperation as error:
            raise ValueError(f"{amount!r} is not a decimal amount") from error
        if not micros.is_finite() or micros != micros.to_integral_value() or abs(micros) > _MICROS_MAX:
            raise ValueError(f"{amount!r} is not an amount of money (at most six decimals)")
        return cls(int(micros), currency)

    @property
    def text(self) -> str:
        """Decimal text with at least two decimals: `5000.00`, `0.0021`."""
        whole, rest = divmod(abs(self.micros), MICROS)
        decimals = f"{rest:06d}".rstrip("0").ljust(2, "0")
        return f"{'-' if self.micros < 0 else ''}{whole}.{decimals}"

    def __str__(self) -> str:
        return f"{self.currency} {self.text}"

    def __add__(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise ValueError(f"cannot add {other.currency} to {self.currency}: convert first")
        return Money(self.micros + other.micros, self.currency)


@dataclass(frozen=True, slots=True)
class Rates:
    """A dated table: what one unit of each currency is worth in `base`."""

    base: str
    on: date
    #: Currency to the value of one unit in `base`, in millionths.
    micros: dict[str, int]

    def convert(self, money: Money, currency: str) -> Money | None:
        """`money` in `currency`, rounded half up to a micro-unit; None where a rate is missing."""
        if money.currency == currency:
            return money
        value = MICROS if money.currency == self.base else self.micros.get(money.currency)
        target = MICROS if currency == self.base else self.micros.get(currency)
        if value is None or not target:
            return None
        exact = Decimal(money.micros) * value / target
        return Money(int(exact.to_integral_value(ROUND_HALF_UP)), currency)
