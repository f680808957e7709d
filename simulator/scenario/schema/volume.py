"""Volume and shape over time, which all generated workloads have in common."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from simulator.scenario.document.base_section import (
    Count,
    NonNegative,
    Positive,
    Section,
    Share,
    Whole,
)
from simulator.traffic.rate import NOISE_SCALES_S

Factor = Annotated[float, Field(ge=0, le=1e6)]


class DayShapes(Section):
    """A weekly shape by the hours of a weekday and of a day of the weekend."""

    weekday: Annotated[list[Factor], Field(min_length=24, max_length=24)]
    """Factors of the 24 hours of Monday to Friday, from 00:00."""
    weekend: Annotated[list[Factor], Field(min_length=24, max_length=24)]
    """Factors of the 24 hours of Saturday and Sunday, on the same scale."""


def _week_kind(value: Any) -> str:
    # Error locations contain these kinds and keys, so no kind may have the name of a key.
    if isinstance(value, dict | DayShapes):
        return "by day"
    return "listed" if isinstance(value, list) else "named"


Week = Annotated[
    Annotated[str, Tag("named")]
    | Annotated[list[Factor], Tag("listed")]
    | Annotated[DayShapes, Tag("by day")],
    Discriminator(_week_kind),
]


class DatedFactor(Section):
    """A holiday, a launch or a campaign: successive days with another volume."""

    first: date
    """First day, in the workload's time zone."""
    days: Count = 1
    """Number of days."""
    factor: Factor
    """Factor on the rate; 0 for no traffic."""


class Users(Section):
    """A volume by the users of the busiest hour."""

    count: Positive
    """Number of users."""
    active_share: Share
    """Share of the users that are active in the busiest hour of the week."""
    requests_per_active_hour: Positive
    """Requests of an active user in that hour."""
    peak_factor: Annotated[float, Field(ge=1, le=100)] | None = None
    """Busiest hour over the mean hour of the week, to which the weekly shape is flattened or
    sharpened. Default: as in the weekly shape."""


class PerDay(Section):
    """A volume by units that each cause a number of requests a day."""

    unit: str
    """Kind of unit, such as developers, agents or documents."""
    count: Positive
    """Number of units."""
    requests_each: Positive
    """Requests of one unit on a working day."""
    days_per_week: Annotated[float, Field(gt=0, le=7)] = 5
    """Working days in a week."""


class Workload(Section):
    """Keys that all generated workloads have."""

    requests_per_month: Positive | None = None
    """Mean requests per month at the start; a month has 730 hours. `users` or `per_day` may be
    given in its place."""
    users: Users | None = None
    """Volume by users that are active in the busiest hour."""
    per_day: PerDay | None = None
    """Volume by developers, agents, documents or other units per working day."""
    growth_per_month: Annotated[float, Field(gt=-1)] = 0.0
    """Share by which the volume grows each month, compounded."""
    week: Week = "azure-conversation"
    """Weekly shape of the rate: flat, azure-conversation or azure-code; 24 or 168 hourly factors
    from Monday 00:00; {weekday: [24 factors], weekend: [24 factors]}; or the path of a text file
    with 24 or 168 numbers, relative to the scenario. Only their ratios matter."""
    months: Annotated[list[Factor], Field(min_length=12, max_length=12)] | None = None
    """Factors of the 12 months January to December; only their ratios matter. Default: all months
    are equal."""
    events: list[DatedFactor] = Field(default_factory=list)
    """Dated factors for holidays, launches and campaigns; they change the volume."""
    time_zone: str = "UTC"
    """Time zone of `week`, `months` and `events`, such as Europe/Berlin. The shipped weekly shapes
    are in UTC."""
    rate_cv: dict[int, NonNegative] = Field(default_factory=dict)
    """Coefficient of variation of the rate at each time scale in seconds: 1, 10, 60, 600, 3600."""
    content: Literal["prose", "code"] = "prose"
    """Kind of output, for offers whose price depends on it."""
    patience_s: Positive | None = None
    """Seconds after which a client gives up if its answer is not complete. Default: never."""
    deadline_hours: Positive | None = None
    """Hours from arrival within which batch work must be complete. Default: interactive work, which
    does not wait."""
    priority: Whole = 0
    """Priority in queues that are served by priority; lower numbers are served first."""

    @field_validator("rate_cv")
    @classmethod
    def _check_scales(cls, value: dict[int, float]) -> dict[int, float]:
        for scale in value:
            if scale not in NOISE_SCALES_S:
                raise ValueError(f"time scales are {', '.join(map(str, NOISE_SCALES_S))} [s]")
        return value

    @model_validator(mode="after")
    def _check_volume(self) -> "Workload":
        given = [n for n in ("requests_per_month", "users", "per_day") if getattr(self, n)]
        if len(given) != 1:
            raise ValueError("give one of requests_per_month, users, per_day")
        return self
