"""Reader of Mooncake JSONL: ``timestamp`` [ms], ``input_length``, ``output_length``, ``hash_ids``.

Blocks have 512 tokens; the last one may be partial. It is the format of the Mooncake FAST'25
traces, and AIPerf and Dynamo write it too.
"""

from typing import Any

from simulator.traffic.formats.records.containers import json_lines
from simulator.traffic.formats.records.reading import Format, Names
from simulator.traffic.formats.traces.hash_blocks import OWN_NAMES, hash_block_batch, text
from simulator.traffic.logs.log import Batch

_BLOCK_TOK = 512


def _parse(records: list[dict[str, Any]], names: Names) -> Batch:
    session = names.session([text(r, "session_id") for r in records])
    return hash_block_batch(records, 1e-3, _BLOCK_TOK, session=session)


MOONCAKE = Format(
    "mooncake",
    "JSON lines with hash_ids of 512-token blocks and timestamps in ms",
    ('"hash_ids"', '"timestamp"', '"input_length"'),
    json_lines,
    _parse,
    block_tok=_BLOCK_TOK,
    own_names=OWN_NAMES,
)
