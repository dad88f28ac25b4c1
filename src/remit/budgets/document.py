"""`kind: Budget` as it stands in a file."""

from pydantic import BaseModel, ConfigDict, Field, StrictStr


class AmountDocument(BaseModel):
    """An amount of money in a file."""

    model_config = ConfigDict(extra="forbid")

    amount: StrictStr = Field(description="Decimal text, such as `250.00`.", pattern=r"^\d{1,12}(\.\d{1,6})?$")
    currency: StrictStr = Field(description="ISO 4217 code; budgets are kept in USD.", pattern=r"^USD$")


class BudgetDocument(BaseModel):
    """The most that a tenant may spend on models and priced tools."""

    model_config = ConfigDict(extra="forbid")

    name: StrictStr = Field(description="The budget's name.")
    description: StrictStr = Field("", description="What it is for.")
    scope: StrictStr = Field("tenant", description="Whose budget it is.", pattern=r"^tenant$")
    limit: AmountDocument = Field(description="The most that may be used and held at any time.")
