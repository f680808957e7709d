"""Rate rows: rates that apply to calls under conditions of time, size and kind."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simulator.units import DAY_S, MINUTE_S

if TYPE_CHECKING:
    from simulator.pricing.billing import Usage

TOKEN_BUCKETS = (
    "input",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "output",
    "reasoning",
    "input_audio",
    "cache_read_audio",
    "input_image",
    "cache_read_image",
    "input_video",
    "output_audio",
    "output_image",
    "output_video",
)
"""Kinds of tokens that a row may price, in USD per million. ``input`` and ``output`` are text;
``cache_write_1h`` is a write for the longer of an offer's two lifetimes, 1 or 12 hours."""
CALL_BUCKETS = ("per_request", "web_search", "file_search", "maps_search", "code_session")
"""Items that are paid by number, in USD each: the call itself, and tools that it uses."""
BUCKETS = (*TOKEN_BUCKETS, "storage", *CALL_BUCKETS)
"""All items that a row may price; ``storage`` is in USD per million tokens and hour."""

CONTEXTS = ("standard", "batch", "flex", "priority", "ultrafast")
"""Service tiers of calls; ``Usage`` refers to them by index."""
STANDARD = 0
CONTENTS = ("prose", "code")
"""Kinds of output, for offers that price it; ``Usage`` refers to them by index."""
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True)
class RateRow:
    """Rates that apply to calls that meet all given conditions."""

    rates: dict[str, float]
    """Rates by bucket, in the units of ``BUCKETS``."""
    prompt_tokens_above: int | None = None
    """Holds for prompts longer than this, cached tokens included."""
    prompt_tokens_from: int | None = None
    """Holds for prompts of at least this many tokens, cached tokens included."""
    from_time: date | None = None
    """Holds from this UTC day or time on."""
    until_time: date | None = None
    """Holds before this UTC day or time, which is excluded."""
    utc_window_s: tuple[float, float] | None = None
    """Holds within [start, end) seconds of the UTC day; may wrap around midnight."""
    utc_days: frozenset[int] | None = None
    """Holds on these days of the week, Monday is 0."""
    not_on: frozenset[date] = frozenset()
    """Does not hold on these UTC days: public holidays."""
    context: str | None = None
    """Holds for calls of this service tier, one of ``CONTEXTS``."""
    thinking: bool | None = None
    """Holds for calls with reasoning (True) or without (False)."""
    content: str | None = None
    """Holds for calls with this output, one of ``CONTENTS``."""
    cached_share_from: float | None = None
    """Holds for prompts of which at least this share was read from a cache."""
    replaces: bool = False
    """Whether it replaces all earlier rows; else it overrides only the buckets that it names."""
    computed: bool = False
    """Whether it is not published, but computed as a known share of another row."""

    @property
    def tiered(self) -> bool:
        """Whether the row depends on the prompt's length."""
        return self.prompt_tokens_above is not None or self.prompt_tokens_from is not None

    @property
    def dated(self) -> bool:
        """Whether the row has a start or end date."""
        return self.from_time is not None or self.until_time is not None

    @property
    def timed(self) -> bool:
        """Whether the row depends on the hour or the day of the week."""
        return self.utc_window_s is not None or self.utc_days is not None

    @property
    def seconds_of_day(self) -> set[float]:
        """Seconds of the UTC day at which the row may start or end."""
        midnight = {0.0} if self.utc_days is not None or self.not_on else set()
        return midnight | set(self.utc_window_s or ())

    @property
    def undated(self) -> "RateRow":
        """The row's conditions without dates and rates, for comparing rows."""
        return replace(
            self, rates={}, from_time=None, until_time=None, replaces=False, computed=False
        )

    @property
    def lasts(self) -> bool:
        """Whether the row's dates leave a non-empty span."""
        if self.from_time is None or self.until_time is None:
            return True
        return unix_s(self.from_time) < unix_s(self.until_time)

    def in_force(self, at_s: float) -> bool:
        """Return whether a Unix time is within the row's dates."""
        begins = self.from_time is None or unix_s(self.from_time) <= at_s
        return begins and (self.until_time is None or at_s < unix_s(self.until_time))

    def between(self, begin: date | None, end: date | None) -> "RateRow":
        """Return the row with its dates narrowed to a span."""
        begins = [moment for moment in (self.from_time, begin) if moment is not None]
        ends = [moment for moment in (self.until_time, end) if moment is not None]
        return replace(
            self,
            from_time=max(begins, key=unix_s, default=None),
            until_time=min(ends, key=unix_s, default=None),
        )

    def conditions(self) -> list[str]:
        """Return the conditions as texts; empty if the row always holds."""
        texts = []
        if self.context is not None:
            texts.append(self.context)
        if self.thinking is not None:
            texts.append("thinking" if self.thinking else "not thinking")
        if self.content is not None:
            texts.append(self.content)
        if self.cached_share_from is not None:
            texts.append(f"cached >= {self.cached_share_from:.0%}")
        if self.prompt_tokens_above is not None:
            texts.append(f"prompt > {self.prompt_tokens_above}")
        if self.prompt_tokens_from is not None:
            texts.append(f"prompt >= {self.prompt_tokens_from}")
        if self.from_time is not None:
            texts.append(f"from {moment_text(self.from_time)}")
        if self.until_time is not None:
            texts.append(f"until {moment_text(self.until_time)}")
        if self.utc_window_s is not None:
            begin, end = map(clock_text, self.utc_window_s)
            texts.append(f"{begin}-{end} UTC")
        if self.utc_days is not None:
            texts.append(" ".join(_DAYS[day] for day in sorted(self.utc_days)))
        if self.not_on:
            texts.append("not on holidays")
        if self.computed:
            texts.append("computed")
        return texts

    def holds(
        self, usage: "Usage", cached_share: NDArray[np.float64] | None = None
    ) -> NDArray[np.bool_]:
        """Return which calls meet the conditions, (n_calls,); the cached share may be given."""
        mask = self._holds_at(usage.at_s)
        if self.content is not None:
            mask &= usage.content == CONTENTS.index(self.content)
        if self.cached_share_from is not None:
            share = usage.cached_share if cached_share is None else cached_share
            mask &= share >= self.cached_share_from
        if self.prompt_tokens_above is not None:
            mask &= usage.prompt_tok > self.prompt_tokens_above
        if self.prompt_tokens_from is not None:
            mask &= usage.prompt_tok >= self.prompt_tokens_from
        if self.context is not None:
            mask &= usage.context == CONTEXTS.index(self.context)
        if self.thinking is not None:
            mask &= (usage.reasoning > 0) == self.thinking
        return mask

    def _holds_at(self, at_s: NDArray[np.float64]) -> NDArray[np.bool_]:
        mask = np.ones(len(at_s), np.bool_)
        if self.from_time is not None:
            mask &= at_s >= unix_s(self.from_time)
        if self.until_time is not None:
            mask &= at_s < unix_s(self.until_time)
        if self.utc_window_s is not None:
            begin, end = self.utc_window_s
            day_s = at_s % DAY_S
            inside = (day_s >= begin) & (day_s < end)
            if end < begin:
                inside = (day_s >= begin) | (day_s < end)
            mask &= inside
        if self.utc_days is not None:
            # 1970-01-01 was a Thursday.
            mask &= np.isin((at_s // DAY_S + 3) % 7, list(self.utc_days))
        if self.not_on:
            mask &= ~np.isin(at_s // DAY_S, [unix_s(day) // DAY_S for day in self.not_on])
        return mask


def unix_s(moment: date) -> float:
    """Return the Unix time of a UTC day's start, or of a time [s]; naive times are in UTC."""
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def moment_text(moment: date) -> str:
    """Return a day, or a UTC time to the minute, as text."""
    if not isinstance(moment, datetime):
        return moment.isoformat()
    at = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}Z"


def clock_text(second_of_day: float) -> str:
    """Return a time of the day as hours and minutes."""
    hours, minutes = divmod(int(second_of_day // MINUTE_S), 60)
    return f"{hours:02}:{minutes:02}"
