"""CSV traces of counts: Azure LLM inference (CC-BY 4.0) and BurstGPT (CC-BY 4.0)."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from simulator.traffic.log import Batch
from simulator.traffic.readers.chunks import ColumnChunk
from simulator.traffic.readers.containers import csv_columns
from simulator.traffic.readers.reading import Format, Names
from simulator.traffic.readers.values import Column, floats, ints, times

_AZURE = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
_BURST = ("Timestamp", "Model", "Request tokens", "Response tokens")
_BURST_MORE = ("Total tokens", "Log Type", "Session ID", "Elapsed time")


def _azure_columns(path: Path) -> Iterator[ColumnChunk]:
    return csv_columns(path, _AZURE)


def _azure(columns: dict[str, Column], _: Names) -> Batch:
    return Batch.of(
        times("TIMESTAMP", columns["TIMESTAMP"], None),
        ints("ContextTokens", columns["ContextTokens"], None),
        ints("GeneratedTokens", columns["GeneratedTokens"], None),
    )


def _burst_columns(path: Path) -> Iterator[ColumnChunk]:
    return csv_columns(path, _BURST, _BURST_MORE)


def _burst(columns: dict[str, Column], names: Names) -> Batch:
    # A response of no tokens is a failed call in these traces; it was sent all the same.
    at_s = floats("Timestamp", columns["Timestamp"], None)
    return Batch.of(
        at_s,
        ints("Request tokens", columns["Request tokens"], None),
        ints("Response tokens", columns["Response tokens"], None),
        end_s=at_s + floats("Elapsed time", columns["Elapsed time"], np.nan),
        session=names.session(columns["Session ID"]),
        workload=names.workload(columns["Model"]),
    )


AZURE = Format(
    "azure",
    f"CSV with the columns {', '.join(_AZURE)}",
    _AZURE,
    _azure_columns,
    _azure,
    own_names=dict(zip(("arrival_s", "input_tokens", "output_tokens"), _AZURE, strict=True)),
)
BURSTGPT = Format(
    "burstgpt",
    "CSV of 6 or 8 columns: Timestamp, Model, Request tokens, Response tokens, ...",
    _BURST,
    _burst_columns,
    _burst,
    own_names={
        "arrival_s": "Timestamp",
        "input_tokens": "Request tokens",
        "output_tokens": "Response tokens",
    },
)
