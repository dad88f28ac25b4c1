"""Standing approvals: who gave one, for what, up to what, until when."""

from dataclasses import dataclass
from datetime import date

from pydantic import BaseModel, ConfigDict, Field, StrictStr

from remit.quantities import Money


class StandingApprovalDocument(BaseModel):
    """`kind: StandingApproval` as it stands in a file."""

    model_config = ConfigDict(extra="forbid")

    name: StrictStr = Field(description="The standing approval's name.")
    given_by: StrictStr = Field(description="The principal who gives it; must hold the right to approve.")
    agent: StrictStr = Field(description="The agent's name, or `remit` for calls of a mission's own plan.")
    tool: StrictStr = Field(description="The tool's full name, `SOURCE__TOOL`.")
    payee: StrictStr = Field(description="The one payee that it covers.")
    up_to: StrictStr = Field(description="Decimal text: the most for one call.", pattern=r"^\d{1,12}(\.\d{1,6})?$")
    currency: StrictStr = Field(description="ISO 4217 code of `up_to`.", pattern=r"^[A-Z]{3}$")
    until: date = Field(description="The last day on which it holds (UTC).")

    def to_standing(self) -> "StandingApproval":
        """The document in Remit's own type."""
        return StandingApproval(
            self.name,
            self.given_by,
            self.agent,
            self.tool,
            self.payee,
            Money.of(self.up_to, self.currency),
            self.until,
        )


@dataclass(frozen=True, slots=True)
class StandingApproval:
    """The only way that a critical action goes without asking."""

    name: str
    given_by: str
    agent: str
    tool: str
    payee: str
    up_to: Money
    until: date

    def covers(self, *, agent: str, tool: str, payee: str | None, amount: Money | None, on: date) -> bool:
        """True where this very call was approved beforehand."""
        return (
            self.agent == agent
            and self.tool == tool
            and self.payee == payee
            and amount is not None
            and amount.currency == self.up_to.currency
            and 0 < amount.micros <= self.up_to.micros
            and on <= self.until
        )
