"""Reader of Alibaba Cloud's Bailian traces.

They differ from Mooncake's by blocks of 16 tokens, times in seconds and chat ids.
"""

from typing import Any

from simulator.files.numbers import must_be
from simulator.traffic.formats.records.containers import json_lines
from simulator.traffic.formats.records.reading import Format, Names
from simulator.traffic.formats.records.values import BadRecord
from simulator.traffic.formats.traces.hash_blocks import OWN_NAMES, hash_block_batch, text
from simulator.traffic.logs.log import Batch

_BLOCK_TOK = 16


def _parse(records: list[dict[str, Any]], names: Names) -> Batch:
    # Every turn of a chat has its own id and names its predecessor; the first turn's id identifies
    # the session.
    keys: list[str | None] = []
    for record in records:
        chat, parent = record.get("chat_id"), record.get("parent_chat_id", -1)
        if isinstance(chat, bool) or not isinstance(chat, int):
            raise BadRecord("chat_id", must_be("chat_id", "a whole number", chat))
        first = f"chat {parent}"
        keys.append(first if first in names.sessions else f"chat {chat}")
        if first in names.sessions:
            names.sessions.setdefault(f"chat {chat}", names.sessions[first])
        else:
            names.session([f"chat {chat}"])
    workload = names.workload([text(r, "type") or "replay" for r in records])
    session = names.session(keys)
    return hash_block_batch(records, 1.0, _BLOCK_TOK, session=session, workload=workload)


BAILIAN = Format(
    "bailian",
    "JSON lines with hash_ids of 16-token blocks, chat ids and timestamps in s",
    lambda head: head.has("chat_id", "input_length", "hash_ids"),
    json_lines,
    _parse,
    block_tok=_BLOCK_TOK,
    own_names=OWN_NAMES,
)
