"""Amounts of traffic, such as lengths, pauses and counts: a number or a distribution."""

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from simulator.scenario.document.base_section import NonNegative, Positive, Section


class Lognormal(Section):
    """A lognormal distribution of lengths, times or counts."""

    median: Positive
    """Median: half of the draws are above it."""
    sigma: NonNegative
    """Standard deviation of the natural logarithm."""
    most: Positive | None = None
    """Largest value; larger draws are cut to it. Default: no limit."""


class LognormalByMean(Section):
    """A lognormal distribution by its mean, which holds after the cut at `most`."""

    mean: Positive
    """Mean, as bills and dashboards show it."""
    sigma: NonNegative
    """Standard deviation of the natural logarithm."""
    most: Positive | None = None
    """Largest value; larger draws are cut to it. Default: no limit."""


class Quantiles(Section):
    """A distribution by its quantiles; the logarithm is interpolated linearly between them."""

    quantiles: dict[Annotated[str, Field(pattern=r"^p\d{1,2}(\.\d+)?$")], Positive]
    """Quantiles of the distribution, for example {p10: 24, p50: 350, p99: 1119}."""
    most: Positive | None = None
    """Largest value; larger draws are cut to it. Default: no limit."""


class Geometric(Section):
    """A geometric distribution of counts from 1 on, ending with equal probability at each."""

    mean: Annotated[float, Field(ge=1)]
    """Mean count."""


AMOUNTS: tuple[type[Section], ...] = (Lognormal, LognormalByMean, Quantiles, Geometric)
"""Sections that may be written in place of a number for an amount."""


def _amount_kind(value: Any) -> str:
    # Error locations contain both kinds and keys, so no kind may have the name of a key.
    for model, kind in _KINDS:
        if isinstance(value, model):
            return kind
    if not isinstance(value, dict):
        return "number"
    if "mean" in value:
        return "by mean" if "sigma" in value else "geometric"
    return "by quantiles" if "quantiles" in value else "lognormal"


_KINDS = (
    (Lognormal, "lognormal"),
    (LognormalByMean, "by mean"),
    (Quantiles, "by quantiles"),
    (Geometric, "geometric"),
)


Amount = Annotated[
    Annotated[NonNegative, Tag("number")]
    | Annotated[Lognormal, Tag("lognormal")]
    | Annotated[LognormalByMean, Tag("by mean")]
    | Annotated[Quantiles, Tag("by quantiles")]
    | Annotated[Geometric, Tag("geometric")],
    Discriminator(_amount_kind),
]
