"""Lengths of buckets: by their names, or from the differences of their times."""

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

from simulator.files.numbers import must_be, number_or_nan
from simulator.traffic.usage.buckets import Notices
from simulator.traffic.usage.fields import Fields
from simulator.units import DAY_S, HOUR_S, MINUTE_S, WEEK_S

_LENGTHS_S = {"minute": MINUTE_S, "hour": HOUR_S, "day": DAY_S, "week": WEEK_S}
SPANS = (*_LENGTHS_S, "month")
"""Names of buckets."""
_OTHER_NAMES = {"hourly": "hour", "daily": "day", "weekly": "week", "monthly": "month"}
_MULTIPLE = re.compile(r"(\d{1,9})\s*([smhdw])")
_UNITS_S = {"s": 1.0, "m": MINUTE_S, "h": HOUR_S, "d": DAY_S, "w": WEEK_S}
_LONGEST_MONTH_S = 31 * DAY_S
_LONGEST_S = 366 * DAY_S


def named_length_s(name: str, begin_s: float, row: Fields) -> float:
    """Return the length of a bucket such as ``hour``, ``15m`` or ``3600``, NaN if it has no name.

    Raises
    ------
    InputError
        If the name is not understood, or the bucket is a month that begins within one.
    """
    name = _OTHER_NAMES.get(name.lower(), name.lower())
    if name == "month":
        if not _begins_month(begin_s):
            row.fail("a bucket of a month must begin on its first day (UTC)")
        return _month_length_s(begin_s)
    if not name or name in _LENGTHS_S:
        return _LENGTHS_S.get(name, math.nan)
    multiple = _MULTIPLE.fullmatch(name)
    unit_s = _UNITS_S[multiple[2]] if multiple else 1.0
    length_s = number_or_nan(multiple[1] if multiple else name) * unit_s
    if not 0 < length_s <= _LONGEST_S:
        row.fail(must_be("bucket", "seconds, or a length such as 1h, day or month", name))
    return length_s


def lengths_between(
    begins_s: Sequence[float], stated_s: Sequence[float], rows: Sequence[Fields], notices: Notices
) -> list[float]:
    """Return the length of each row's bucket; unknown ones follow from the differences of times.

    That is the smallest difference, of which all others must be multiples: empty buckets may be
    missing.

    Raises
    ------
    InputError
        If there is only one moment, or they are not those of buckets.
    """
    unknown = [math.isnan(length) for length in stated_s]
    if not any(unknown):
        return list(stated_s)
    usual_s = _usual_length_s(begins_s, rows[unknown.index(True)], notices)
    return [
        length if length == length else _month_length_s(begin) if math.isnan(usual_s) else usual_s
        for begin, length in zip(begins_s, stated_s, strict=True)
    ]


def _usual_length_s(begins_s: Sequence[float], row: Fields, notices: Notices) -> float:
    """Return the common length of buckets that begin at these moments, NaN for months."""
    moments = sorted(set(begins_s))
    if len(moments) < 2:
        row.fail("a single bucket does not show its length; add a column 'bucket', such as 1d")
    if all(map(_begins_month, moments)):
        notices.remark("Buckets are taken for calendar months, since all begin with one.")
        return math.nan
    if any(not moment.is_integer() for moment in moments):
        row.fail("times with fractions of a second are those of single calls, not of buckets")
    shortest_s = min(after - before for before, after in pairwise(moments))
    length_s = float(math.gcd(*(int(moment - moments[0]) for moment in moments)))
    if length_s < MINUTE_S:
        row.fail(
            f"times are multiples of {length_s:g} s apart: single calls, not buckets of a minute "
            "or more; add a column 'bucket' if they are sums"
        )
    if length_s < shortest_s or length_s > _LONGEST_MONTH_S:
        row.fail(
            "the differences of times show no length of buckets, such as an hour or a day; add a "
            "column 'bucket', such as 1d"
        )
    notices.remark(f"Buckets are taken to last {length_s:g} s, as the differences of times show.")
    return length_s


def _month_length_s(begin_s: float) -> float:
    """Return the length of the calendar month (UTC) that begins at a moment."""
    begin = datetime.fromtimestamp(begin_s, UTC)
    after = begin.replace(year=begin.year + begin.month // 12, month=begin.month % 12 + 1)
    return (after - begin).total_seconds()


def _begins_month(moment_s: float) -> bool:
    return datetime.fromtimestamp(moment_s, UTC).day == 1 and moment_s % DAY_S == 0
