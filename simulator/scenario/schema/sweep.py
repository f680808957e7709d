"""What a scenario may say of the variations of itself that ``breakeven sweep`` tries."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from simulator.scenario.document.base_section import Section


class Span(Section):
    """Values from a first to a last, both included."""

    first: float | str
    """A number, with or without a unit."""
    last: float | str
    """A number, with or without a unit."""
    count: Annotated[int, Field(ge=2, le=10000)]
    """How many values."""
    spacing: Literal["factors", "steps"] = "factors"
    """Equal factors, for numbers above zero, or equal steps."""


Values = Annotated[list[Any], Field(min_length=1)]
ValuesOrSpan = Annotated[
    Annotated[Values, Tag("values")] | Annotated[Span, Tag("span")],
    Discriminator(lambda said: "span" if isinstance(said, dict | Span) else "values"),
]


class Sweep(Section):
    """Variations of a scenario: every combination of what grid, zip, points and overrides list."""

    each: Literal["size", "run", "simulate"] = "size"
    """What is asked at each point. size: every option at its best size, and how likely each is the
    cheapest. run: also the break-even volume. simulate: the options exactly as written."""
    grid: dict[str, ValuesOrSpan] = Field(default_factory=dict)
    """Values by dotted path; all combinations are tried."""
    zip: dict[str, Values] = Field(default_factory=dict)
    """Lists of equal length by dotted path; they change together."""
    points: list[dict[str, Any]] = Field(default_factory=list)
    """Values by dotted path, one mapping for each point."""
    overrides: list[str] = Field(default_factory=list)
    """Names of overrides to try; `none` is the scenario without any."""

    @model_validator(mode="after")
    def _of_one_length(self) -> "Sweep":
        if len({len(values) for values in self.zip.values()}) > 1:
            lengths = ", ".join(f"{path} has {len(values)}" for path, values in self.zip.items())
            raise ValueError(f"zip: lists must be of one length, {lengths}")
        if not (self.grid or self.zip or self.points or self.overrides):
            raise ValueError("give grid, zip, points or overrides")
        return self
