"""Peak hours of the week, derived from the windows of off-peak prices."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from simulator.errors import InputError
from simulator.files.numbers import must_be
from simulator.pricing.rows import RateRow
from simulator.units import DAY_S, MINUTE_S

_MINUTES = round(DAY_S / MINUTE_S)


def peak_rows(rates: dict[str, float], windows: list[Any], place: str) -> list[RateRow]:
    """Return rows of the peak price, which applies outside all windows of the off-peak price.

    Parameters
    ----------
    rates : dict of str to float
        Peak rates by bucket.
    windows : list
        Mappings ``{hours_utc: "00:00-01:00" or a list of such, weekdays: [1, ..., 7]}``; Monday is
        1, and without weekdays a window applies every day. An end of 00:00 is midnight.
    place : str
        Location in the file, for messages.

    Raises
    ------
    InputError
        If a window is not of this form.
    """
    low = np.zeros((7, _MINUTES), np.bool_)
    for window in windows:
        if not isinstance(window, Mapping):
            raise InputError(f"{place}: a window of off_peak_pricing must be a mapping")
        hours = window.get("hours_utc")
        days = window.get("weekdays", list(range(1, 8)))
        if not isinstance(days, list) or not all(day in range(1, 8) for day in days):
            raise InputError(must_be(f"{place}: weekdays", "numbers from 1 to 7", days))
        for text in hours if isinstance(hours, list) else [hours]:
            begin, end = _span(text, place)
            for day in days:
                if begin < end:
                    low[day - 1, begin:end] = True
                else:  # wraps around midnight; equal ends span 24 hours
                    low[day - 1, begin:] = True
                    low[day % 7, :end] = True
    spans: dict[tuple[int, int], set[int]] = {}
    for day in range(7):
        edges = np.flatnonzero(np.diff(np.concatenate([[True], low[day], [True]]).astype(int)))
        for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            spans.setdefault((begin, end), set()).add(day)
    return [
        RateRow(
            dict(rates),
            utc_window_s=(begin * MINUTE_S, min(end * MINUTE_S, DAY_S)),
            utc_days=frozenset(days) if len(days) < 7 else None,
        )
        for (begin, end), days in sorted(spans.items())
    ]


def _span(text: Any, place: str) -> tuple[int, int]:
    """Return start and end [minutes of the day] of ``HH:MM-HH:MM``; an end of 00:00 is 24:00."""
    begin, _, end = str(text).partition("-")
    try:
        minutes = [int(part[:2]) * 60 + int(part[3:]) for part in (begin, end) if part[2] == ":"]
    except (ValueError, IndexError):
        minutes = []
    if len(minutes) != 2 or not all(0 <= minute <= _MINUTES for minute in minutes):
        raise InputError(must_be(f"{place}: hours", "such as 00:30-16:30", text))
    return minutes[0], minutes[1] or _MINUTES
