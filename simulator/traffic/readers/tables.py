"""CSV traces of counts: Azure LLM inference (CC-BY 4.0) and BurstGPT (CC-BY 4.0)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from simulator.traffic.log import Batch
from simulator.traffic.readers.columns import floats, ints, times
from simulator.traffic.readers.common import Broken, Format, Names, Record
from simulator.traffic.readers.containers import csv_columns

_AZURE = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
_BURST = ("Timestamp", "Model", "Request tokens", "Response tokens")
_BURST_MORE = ("Total tokens", "Log Type", "Session ID", "Elapsed time")


def _azure_records(path: Path) -> Iterator[Record | Broken]:
    return csv_columns(path, _AZURE)


def _azure(rows: list[tuple[str, ...]], _: Names) -> Batch:
    time, context, generated = _columns(rows, len(_AZURE))
    return Batch.of(
        times("TIMESTAMP", time, None),
        ints("ContextTokens", context, None),
        ints("GeneratedTokens", generated, None),
    )


def _burst_records(path: Path) -> Iterator[Record | Broken]:
    return csv_columns(path, _BURST, _BURST_MORE)


def _burst(rows: list[tuple[str, ...]], names: Names) -> Batch:
    # A response of no tokens is a failed call in these traces; it was sent all the same.
    time, model, request, response, _, _, session, elapsed = _columns(rows, 8)
    at_s = floats("Timestamp", time, None)
    return Batch.of(
        at_s,
        ints("Request tokens", request, None),
        ints("Response tokens", response, None),
        end_s=at_s + floats("Elapsed time", elapsed, np.nan),
        session=names.session(list(session)),
        workload=names.workload([key or "replay" for key in model]),
    )


def _columns(rows: list[tuple[str, ...]], width: int) -> tuple[tuple[Any, ...], ...]:
    return tuple(zip(*rows, strict=True)) if rows else ((),) * width


AZURE = Format(
    "azure",
    f"CSV with the columns {', '.join(_AZURE)}",
    _AZURE,
    _azure_records,
    _azure,
    own_names=dict(zip(("arrival_s", "input_tokens", "output_tokens"), _AZURE, strict=True)),
)
BURSTGPT = Format(
    "burstgpt",
    "CSV of 6 or 8 columns: Timestamp, Model, Request tokens, Response tokens, ...",
    _BURST,
    _burst_records,
    _burst,
    own_names={
        "arrival_s": "Timestamp",
        "input_tokens": "Request tokens",
        "output_tokens": "Response tokens",
    },
)
