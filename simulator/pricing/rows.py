"""A rate row: rates that hold for a call under conditions of its moment, size and kind."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simulator.units import DAY_S

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
"""Kinds of tokens that a row may price, USD per million. ``input`` and ``output`` are of text;
``cache_write_1h`` is the longer of an offer's two lifetimes: an hour, or twelve."""
CALL_BUCKETS = ("per_request", "web_search", "file_search", "maps_search", "code_session")
"""What is paid each time, USD: the call itself, and what it uses beside tokens."""
BUCKETS = (*TOKEN_BUCKETS, "storage", *CALL_BUCKETS)
"""What a rate row may price; ``storage`` is in USD per million tokens and hour."""

CONTEXTS = ("standard", "batch", "flex", "priority", "ultrafast")
"""How a call is served; usage names them by their place in here."""
STANDARD = 0
CONTENTS = ("prose", "code")
"""What a call writes, for offers that price it; usage names it by its place in here."""
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True)
class RateRow:
    """Rates that hold under conditions; all given conditions must be true."""

    rates: dict[str, float]
    """By bucket, in the units of ``BUCKETS``."""
    prompt_tokens_above: int | None = None
    """Holds when the whole prompt, cached tokens included, is longer than this."""
    prompt_tokens_from: int | None = None
    """Holds when the whole prompt has at least so many tokens."""
    from_time: date | None = None
    """Holds from this UTC day or moment on."""
    until_time: date | None = None
    """Holds until this UTC day or moment, which is the first without it."""
    utc_window_s: tuple[float, float] | None = None
    """Holds within [begin, end) seconds of the UTC day; may wrap over midnight."""
    utc_days: frozenset[int] | None = None
    """Holds on these days of the week, Monday is 0."""
    not_on: frozenset[date] = frozenset()
    """Does not hold on these UTC days: public holidays."""
    context: str | None = None
    """Holds for calls that are served so, out of ``CONTEXTS``."""
    thinking: bool | None = None
    """Holds for calls with, or without, reasoning."""
    content: str | None = None
    """Holds for calls that write this, out of ``CONTENTS``."""
    cached_share_from: float | None = None
    """Holds when at least this share of the prompt was read from a cache."""
    replaces: bool = False
    """Stands in the place of all rows before it; else it changes only what it names."""
    computed: bool = False
    """Nobody published it: a known share of what another row says."""

    @property
    def tiered(self) -> bool:
        """Whether it depends on the prompt's length."""
        return self.prompt_tokens_above is not None or self.prompt_tokens_from is not None

    @property
    def dated(self) -> bool:
        """Whether it begins or ends to hold at some day."""
        return self.from_time is not None or self.until_time is not None

    @property
    def timed(self) -> bool:
        """Whether it depends on the hour or on the day of the week."""
        return self.utc_window_s is not None or self.utc_days is not None

    @property
    def undated(self) -> "RateRow":
        """The same conditions at any date, without rates: rows that share them compete."""
        return replace(
            self, rates={}, from_time=None, until_time=None, replaces=False, computed=False
        )

    @property
    def lasts(self) -> bool:
        """Whether its dates leave it any time."""
        if self.from_time is None or self.until_time is None:
            return True
        return unix_s(self.from_time) < unix_s(self.until_time)

    def in_force(self, at_s: float) -> bool:
        """Whether a Unix time is within its dates."""
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
        """Return the conditions in words, empty where it always holds."""
        found = []
        if self.context is not None:
            found.append(self.context)
        if self.thinking is not None:
            found.append("thinking" if self.thinking else "not thinking")
        if self.content is not None:
            found.append(self.content)
        if self.cached_share_from is not None:
            found.append(f"cached >= {self.cached_share_from:.0%}")
        if self.prompt_tokens_above is not None:
            found.append(f"prompt > {self.prompt_tokens_above}")
        if self.prompt_tokens_from is not None:
            found.append(f"prompt >= {self.prompt_tokens_from}")
        if self.from_time is not None:
            found.append(f"from {moment_text(self.from_time)}")
        if self.until_time is not None:
            found.append(f"until {moment_text(self.until_time)}")
        if self.utc_window_s is not None:
            begin, end = (
                f"{int(s) // 3600:02}:{int(s) % 3600 // 60:02}" for s in self.utc_window_s
            )
            found.append(f"{begin}-{end} UTC")
        if self.utc_days is not None:
            found.append(" ".join(_DAYS[day] for day in sorted(self.utc_days)))
        if self.not_on:
            found.append("not on holidays")
        if self.computed:
            found.append("computed")
        return found

    def holds(
        self, usage: "Usage", cached_share: NDArray[np.float64] | None = None
    ) -> NDArray[np.bool_]:
        """Return where the conditions are met, (n_calls,); the cached share is the usage's own."""
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
            # The first of January 1970 was a Thursday.
            mask &= np.isin((at_s // DAY_S + 3) % 7, list(self.utc_days))
        if self.not_on:
            mask &= ~np.isin(at_s // DAY_S, [unix_s(day) // DAY_S for day in self.not_on])
        return mask


def unix_s(moment: date) -> float:
    """Return a UTC day's midnight, or a moment's time [s]; a moment without zone is in UTC."""
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def moment_text(moment: date) -> str:
    """Return a day, or a moment to the minute, in UTC."""
    if not isinstance(moment, datetime):
        return moment.isoformat()
    at = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}Z"
