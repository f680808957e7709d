"""Reader of the Azure LLM inference traces of 2023 and 2024 (CC-BY 4.0)."""

from collections.abc import Iterator
from pathlib import Path

from simulator.traffic.formats.records.chunks import ColumnChunk
from simulator.traffic.formats.records.containers import csv_columns
from simulator.traffic.formats.records.reading import Format, Names
from simulator.traffic.formats.records.values import Column, ints, times
from simulator.traffic.logs.log import Batch

_AZURE = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")


def _chunks(path: Path) -> Iterator[ColumnChunk]:
    return csv_columns(path, _AZURE)


def _parse(columns: dict[str, Column], _: Names) -> Batch:
    return Batch.of(
        times("TIMESTAMP", columns["TIMESTAMP"], None),
        ints("ContextTokens", columns["ContextTokens"], None),
        ints("GeneratedTokens", columns["GeneratedTokens"], None),
    )


AZURE = Format(
    "azure",
    f"CSV with the columns {', '.join(_AZURE)}",
    _AZURE,
    _chunks,
    _parse,
    own_names=dict(zip(("arrival_s", "input_tokens", "output_tokens"), _AZURE, strict=True)),
)
