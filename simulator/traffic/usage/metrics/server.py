"""Usage from a Prometheus server, or one with the same HTTP API, by its address.

Source: Prometheus documentation, HTTP API, read on 2026-11-28. A range query returns at most 11,000
points of a series, so that long spans are asked in pieces. Errors have a status of 4xx or 5xx and a
JSON document with ``error``.
"""

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from simulator.errors import InputError
from simulator.files.fetch import Access, HttpError, ask
from simulator.files.jsontext import NotJson, parse_json
from simulator.files.text import label
from simulator.traffic.usage.buckets import Notices, UsageTable
from simulator.traffic.usage.export_format import has_all
from simulator.traffic.usage.metrics.lengths import lengths_of
from simulator.traffic.usage.metrics.prometheus import buckets_of
from simulator.traffic.usage.metrics.series import Series, series_of
from simulator.traffic.usage.metrics.systems import SYSTEMS

TOKEN_VARIABLE = "BREAKEVEN_PROMETHEUS_TOKEN"
"""Environment variable with the bearer token of a server that needs one."""
MOST_POINTS = 11_000
"""Most points of a series in one answer."""
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class AskedTime:
    """The time that a server is asked for, up to now."""

    days: float = 28.0
    step_s: float = 3600.0
    """Distance of samples, and length of the buckets [s]."""


def read_server(
    address: str, span: AskedTime | None = None, now_s: float | None = None
) -> tuple[UsageTable, Notices]:
    """Return the usage that a Prometheus server has recorded of known systems.

    Parameters
    ----------
    address : str
        Address such as ``http://prometheus:9090``, with the path under which the server runs, if
        any. A token for it is read from the environment variable ``TOKEN_VARIABLE``.
    span : AskedTime, optional
        Time to ask for.
    now_s : float, optional
        End of that time [s since 1970, UTC], by default the present.

    Raises
    ------
    InputError
        If the server cannot be asked, or has no metrics of a known system.
    """
    span = span or AskedTime()
    moments = _moments(span, time.time() if now_s is None else now_s)
    base = _base(address)
    access = Access(allow_http=True, bearer=os.environ.get(TOKEN_VARIABLE, ""))
    notices = Notices()
    series: list[Series] = []
    for system in SYSTEMS:
        counters = _series(base, access, system.counters, moments, notices)
        series += counters
        if counters:
            series += _series(base, access, system.length_names, moments, notices)
    if not series:
        names = ", ".join(system.name for system in SYSTEMS)
        raise InputError(f"{label(base)}: no metrics of {names} in the last {span.days:g} days")
    buckets = list(buckets_of(series, base, notices))
    if not buckets:
        raise InputError(f"{label(base)}: no usage in the last {span.days:g} days")
    lengths = lengths_of(series, base, Notices())
    return UsageTable.of(buckets, lengths, notices.covered_s), notices


def _base(address: str) -> str:
    """Return an address without a slash at its end; raise InputError if it has a query."""
    try:
        parts = urlsplit(address)
    except ValueError:
        raise InputError(f"{label(address)}: not an address") from None
    if parts.query or parts.fragment:
        raise InputError(f"{label(address)}: give the address of the server, without a query")
    return address.rstrip("/")


@dataclass(frozen=True, slots=True)
class _Moments:
    """Moments to ask for: multiples of the step, so that repeated calls ask for the same ones."""

    begin_s: float
    step_s: float
    count: int

    def pieces(self) -> Iterator[tuple[float, float]]:
        """Yield begin and end of the pieces that one answer can hold."""
        for first in range(0, self.count, MOST_POINTS):
            last = min(first + MOST_POINTS, self.count) - 1
            yield self.begin_s + first * self.step_s, self.begin_s + last * self.step_s


def _moments(span: AskedTime, now_s: float) -> _Moments:
    if not span.step_s >= 1:
        raise InputError(f"the step must be 1 s or more, not {span.step_s:g} s")
    steps = int(span.days * _DAY_S / span.step_s)
    if not steps >= 1:
        raise InputError(f"{span.days:g} days have no step of {span.step_s:g} s")
    end_s = now_s // span.step_s * span.step_s
    return _Moments(end_s - steps * span.step_s, span.step_s, steps + 1)


def _series(
    base: str, access: Access, names: Iterable[str], moments: _Moments, notices: Notices
) -> list[Series]:
    """Return the series of metrics, asked one metric and one piece at a time."""
    answers = [
        (1, _answer(base, access, name, begin_s, end_s, moments.step_s))
        for name in names
        for begin_s, end_s in moments.pieces()
    ]
    return series_of(base, answers, notices)


def _answer(
    base: str, access: Access, name: str, begin_s: float, end_s: float, step_s: float
) -> Any:
    """Return the answer to a range query of one metric."""
    parameters = {
        # Some pipelines replace the colon, which Prometheus reserves for recording rules.
        "query": f'{{__name__=~"{name.replace(":", "[:_]")}"}}',
        "start": f"{begin_s:.3f}",
        "end": f"{end_s:.3f}",
        "step": f"{step_s:.3f}",
    }
    url = f"{base}/api/v1/query_range?{urlencode(parameters)}"
    try:
        answer = parse_json(ask(url, access))
    except HttpError as error:
        raise InputError(f"{error}{_said(error.text)}") from None
    except NotJson as error:
        raise InputError(f"{label(url)}: no answer of Prometheus: {error}") from None
    if not has_all(answer, ["status", "data"]):
        raise InputError(f"{label(url)}: no answer of Prometheus: status and data are missing")
    return answer


def _said(text: str) -> str:
    """Return what Prometheus says of an error, or nothing if another program answered."""
    try:
        document = parse_json(text)
    except NotJson:
        return ""
    return f": {document['error']}" if has_all(document, ["error"]) else ""
