"""The section of a scenario that lists the variations tried by ``breakeven sweep``."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from simulator.scenario.document.base_section import Section


class Span(Section):
    """Evenly spaced values from a first to a last one, both included."""

    first: float | str
    """First value, with or without a unit."""
    last: float | str
    """Last value, with or without a unit."""
    count: Annotated[int, Field(ge=2, le=10000)]
    """Number of values."""
    spacing: Literal["factors", "steps"] = "factors"
    """Spacing of the values: equal factors, for numbers above zero, or equal steps."""


Values = Annotated[list[Any], Field(min_length=1)]
ValuesOrSpan = Annotated[
    Annotated[Values, Tag("values")] | Annotated[Span, Tag("span")],
    Discriminator(lambda value: "span" if isinstance(value, dict | Span) else "values"),
]


class Sweep(Section):
    """Variations of a scenario: every combination of its grid, zip, points and overrides."""

    each: Literal["size", "run", "simulate"] = "size"
    """Question answered at each point. `size`: every option at its best size, and how likely each
    is the cheapest. `run`: also the break-even volume. `simulate`: the options as written."""
    grid: dict[str, ValuesOrSpan] = Field(default_factory=dict)
    """Values for each dotted path; all combinations are tried."""
    zip: dict[str, Values] = Field(default_factory=dict)
    """Lists of equal length for each dotted path, whose values change together."""
    points: list[dict[str, Any]] = Field(default_factory=list)
    """Points of the sweep, each a mapping of dotted paths to values."""
    overrides: list[str] = Field(default_factory=list)
    """Names of overrides to try; `none` is the scenario without any override."""

    @model_validator(mode="after")
    def _check_lengths(self) -> "Sweep":
        if len({len(values) for values in self.zip.values()}) > 1:
            lengths = ", ".join(f"{path} has {len(values)}" for path, values in self.zip.items())
            raise ValueError(f"zip: lists must be of one length, {lengths}")
        if not (self.grid or self.zip or self.points or self.overrides):
            raise ValueError("give grid, zip, points or overrides")
        return self
