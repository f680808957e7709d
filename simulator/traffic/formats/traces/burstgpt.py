"""Reader of the BurstGPT traces (CC-BY 4.0), with six columns, or eight if they have sessions."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from simulator.traffic.formats.records.chunks import ColumnChunk
from simulator.traffic.formats.records.containers import csv_columns
from simulator.traffic.formats.records.reading import Format, Names
from simulator.traffic.formats.records.usage import CONTRADICTION
from simulator.traffic.formats.records.values import BadRecord, Column, floats, ints
from simulator.traffic.logs.log import UNKNOWN, Batch

_BURST = ("Timestamp", "Model", "Request tokens", "Response tokens")
_BURST_MORE = ("Total tokens", "Log Type", "Session ID", "Elapsed time")


def _chunks(path: Path) -> Iterator[ColumnChunk]:
    return csv_columns(path, _BURST, _BURST_MORE, is_closed=False)


def _parse(columns: dict[str, Column], names: Names) -> Batch:
    # A response of zero tokens is a failed call in these traces; the request was sent and counts.
    at_s = floats("Timestamp", columns["Timestamp"], None)
    prompt = ints("Request tokens", columns["Request tokens"], None)
    answer = ints("Response tokens", columns["Response tokens"], None)
    total = ints("Total tokens", columns["Total tokens"], UNKNOWN)
    wrong = np.flatnonzero((total != UNKNOWN) & (total != prompt + answer))
    if len(wrong):
        row = wrong[0]
        raise BadRecord(
            "Total tokens",
            f"{prompt[row]} + {answer[row]} tokens do not give Total tokens {total[row]}",
            CONTRADICTION,
        )
    return Batch.of(
        at_s,
        prompt,
        answer,
        end_s=at_s + floats("Elapsed time", columns["Elapsed time"], np.nan),
        session=names.session(columns["Session ID"]),
        workload=names.workload(columns["Model"]),
    )


BURSTGPT = Format(
    "burstgpt",
    "CSV of 6 or 8 columns: Timestamp, Model, Request tokens, Response tokens, ...",
    lambda head: head.has(*_BURST),
    _chunks,
    _parse,
    fields=_BURST,
    own_names={
        "arrival_s": "Timestamp",
        "input_tokens": "Request tokens",
        "output_tokens": "Response tokens",
    },
)
