"""Logs of a server's requests with their times, one row each, for calibration."""

import math
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from simulator.analysis.bench.benchmark import logged_requests
from simulator.analysis.bench.calibration import LogPart, Measurement, request_means
from simulator.analysis.bench.loads import Load
from simulator.errors import InputError
from simulator.files.numbers import must_be, number_or_nan

Row = Mapping[str, Any]
"""A request: the values of ``REQUEST_COLUMNS`` and ``CACHED``, as numbers or as texts."""

REQUEST_COLUMNS = ("arrival_s", "input_tokens", "output_tokens", "first_token_s", "finished_s")
CACHED = "cached_tokens"
"""Optional column of prompt tokens that were found in the cache; default: none."""
PART_REQUESTS = 50
"""Fewest requests of a part of a log."""
MOST_TOK = 10**9
"""Most tokens of one request."""
MOST_PARTS = 6
"""Most parts of a log, by time, each of which is a measurement: the start of a queue depends on the
time of single steps, a long queue on throughput."""


def read_request_log(rows: Iterable[tuple[int, Row]], where: str) -> list[Measurement]:
    """Return measurements from the rows, with their lines, of requests that one replica served.

    Times are in seconds since any common origin, and all requests have an answer. The engine is
    assumed to be idle at the first arrival.

    Raises
    ------
    InputError
        When a figure is missing or impossible, with its row, or when there is no request.
    """
    requests = [_read_row(row, f"{where}:{line}") for line, row in rows]
    if not requests:
        raise InputError(f"{where}: no request in the log")
    columns = np.array(sorted(requests))
    arrival_s = columns[:, 0] - columns[0, 0]
    prompt_tok, output_tok = columns[:, 1].astype(np.int32), columns[:, 2].astype(np.int32)
    ttft_s, e2e_s = columns[:, 3] - columns[:, 0], columns[:, 4] - columns[:, 0]
    table = logged_requests(arrival_s, prompt_tok, output_tok)
    parts = max(1, min(MOST_PARTS, len(requests) // PART_REQUESTS))
    ends = np.linspace(0, len(requests), parts + 1).round().astype(int).tolist()
    rate = len(requests) / max(float(arrival_s[-1]), 1e-9)
    load = Load("request-rate", rate, max(1, round(prompt_tok.mean())), round(output_tok.mean()))
    measurements = []
    for begin, end in pairwise(ends):
        log = LogPart(table, slice(begin, end))
        speed, tpot_s, mean_ttft_s = request_means(ttft_s[log.part], e2e_s[log.part], log)
        measurements.append(Measurement(load, speed, tpot_s, mean_ttft_s, log=log, source=where))
    return measurements


def _read_row(row: Row, where: str) -> tuple[float, ...]:
    """Return arrival, computed prompt tokens, output tokens, first token and end of a request."""
    figures = [_figure(row.get(name, ""), name, where) for name in REQUEST_COLUMNS]
    arrival_s, prompt_tok, output_tok, first_s, finished_s = figures
    cached_tok = _figure(row.get(CACHED) or "0", CACHED, where)
    if max(prompt_tok, output_tok) > MOST_TOK:
        raise InputError(f"{where}: no request has more than {MOST_TOK:,} tokens")
    if not 0 <= cached_tok <= prompt_tok or output_tok < 1 or prompt_tok < 1:
        raise InputError(
            f"{where}: expected at least one prompt token and one output token, and no more cached "
            "tokens than prompt tokens"
        )
    if not arrival_s < first_s <= finished_s:
        raise InputError(f"{where}: expected arrival_s < first_token_s <= finished_s")
    return arrival_s, max(1.0, prompt_tok - cached_tok), output_tok, first_s, finished_s


def _figure(value: Any, name: str, where: str) -> float:
    number = number_or_nan(value)
    if math.isnan(number):
        raise InputError(must_be(f"{where}: {name}", "a number", value))
    return number
