"""The base class of all sections of all files, and the kinds of numbers in them."""

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
"""Largest number accepted for any key, in its unit; sums and products of such numbers are finite.
"""


class Section(BaseModel):
    """Base class of all sections: unknown keys are errors, and numbers are finite."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Interval(Section):
    """An uncertain number: nine in ten values lie between `low` and `high`."""

    low: float
    """Fifth percentile: one value in twenty is below."""
    mid: float
    """Median: half of the values are above it."""
    high: float
    """Ninety-fifth percentile: one value in twenty is above."""

    @model_validator(mode="after")
    def _check_order(self) -> "Interval":
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
