"""What all sections of all files share: strictness, and the kinds of numbers."""

from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

MOST = 10**18
"""No quantity is larger in any unit that a key has; sums and products of such numbers are finite.
"""


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, numbers are finite."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Interval(Section):
    """An uncertain number: nine in ten cases lie between ``low`` and ``high``."""

    low: float
    """One case in twenty is below."""
    mid: float
    """The median."""
    high: float
    """One case in twenty is above."""

    @model_validator(mode="after")
    def _ordered(self) -> "Interval":
        if not 0 <= self.low <= self.mid <= self.high <= MOST:
            raise ValueError(f"must have 0 <= low <= mid <= high <= {MOST:.0e}")
        return self


def _bounded(value: float) -> float:
    if value > MOST:
        raise ValueError(f"must be at most {MOST:.0e}")
    return value


NonNegative = Annotated[float, Field(ge=0), AfterValidator(_bounded)]
Positive = Annotated[float, Field(gt=0), AfterValidator(_bounded)]
Count = Annotated[int, Field(ge=1), AfterValidator(_bounded)]
Whole = Annotated[int, Field(ge=0), AfterValidator(_bounded)]
Share = Annotated[float, Field(ge=0, le=1)]
Uncertain = Annotated[
    Annotated[NonNegative, Tag("number")] | Annotated[Interval, Tag("interval")],
    Discriminator(lambda v: "interval" if isinstance(v, dict | Interval) else "number"),
]
