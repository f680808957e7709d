"""Reader of the Azure inference traces of 2023 and 2024, and of the multimodal one of 2025.

They are CC-BY 4.0. The document of the multimodal trace (AzureLMMInferenceDataset2025.md) describes
``NumImages`` as the number of images in the request and ``ContextTokens`` as the number of context
tokens, and does not say whether these include those of the images.
"""

from collections.abc import Iterator
from pathlib import Path

from simulator.traffic.formats.records.chunks import ColumnChunk
from simulator.traffic.formats.records.containers import csv_columns
from simulator.traffic.formats.records.reading import Format, Names
from simulator.traffic.formats.records.values import Column, ints, times
from simulator.traffic.logs.log import Batch

_AZURE = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
_IMAGES = "NumImages"
_IMAGES_REMARK = (
    "requests have images (NumImages), and the trace does not say whether ContextTokens include "
    "their tokens; only ContextTokens are read"
)


def _chunks(path: Path) -> Iterator[ColumnChunk]:
    for chunk in csv_columns(path, _AZURE, is_closed=False):
        if _IMAGES in chunk.header:
            chunk.unread_columns = [name for name in chunk.unread_columns if name != _IMAGES]
            chunk.remarks = (_IMAGES_REMARK,)
        yield chunk


def _parse(columns: dict[str, Column], _: Names) -> Batch:
    return Batch.of(
        times("TIMESTAMP", columns["TIMESTAMP"], None),
        ints("ContextTokens", columns["ContextTokens"], None),
        ints("GeneratedTokens", columns["GeneratedTokens"], None),
    )


AZURE = Format(
    "azure",
    f"CSV with the columns {', '.join(_AZURE)}",
    lambda head: head.has(*_AZURE),
    _chunks,
    _parse,
    fields=_AZURE,
    own_names=dict(zip(("arrival_s", "input_tokens", "output_tokens"), _AZURE, strict=True)),
)
