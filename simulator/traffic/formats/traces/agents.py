"""Reader of coding-agent conversations with block ids, as the kv-cache-tester project publishes.

Each line is a JSON object with one conversation. Its requests name the blocks of 64 tokens that
their prompts consist of: either all of them (``hash_ids``), or the number of blocks shared with the
list's previous request (``hp``) followed by ascending runs ``[start, length]`` (``ht``). Sub-agents
are requests with their own list, whose times count from its beginning. Timestamps restart at zero
in every conversation; we assume that a new conversation begins every ten minutes.
"""

from typing import Any

import numpy as np

from simulator.traffic.formats.records.containers import json_lines
from simulator.traffic.formats.records.reading import Format, Names
from simulator.traffic.formats.records.values import BadRecord, count_of, missing_field, number_of
from simulator.traffic.formats.traces.hash_blocks import block_runs
from simulator.traffic.logs.log import Batch, ragged

BEGIN_EVERY_S = 600.0
_BLOCK_TOK = 64
_SCOPE = 1 << 44
"""Token numbers reserved for one conversation, since ids are only unique within it."""


def _parse(conversations: list[dict[str, Any]], names: Names) -> Batch:
    rows: list[dict[str, Any]] = []
    for conversation in conversations:
        key = str(conversation.get("id", ""))
        if not key:
            raise missing_field("id")
        index = names.clocks.setdefault(key, len(names.clocks))
        block_tok = count_of(conversation, "block_size", _BLOCK_TOK) or _BLOCK_TOK
        _add_rows(conversation, key, index, index * BEGIN_EVERY_S, block_tok, rows)
    columns: dict[str, Any] = {
        name: np.array([row[name] for row in rows])
        for name in ("at_s", "end_s", "gap_s", "input_tokens", "output_tokens", "shared_tok")
    }
    return Batch.of(
        runs=ragged([row["runs"] for row in rows]),
        session=names.session([row["session"] for row in rows]),
        workload=names.workload([row["workload"] for row in rows]),
        **columns,
    )


def _add_rows(
    parent: dict[str, Any],
    session: str,
    index: int,
    origin_s: float,
    block_tok: int,
    rows: list[dict[str, Any]],
) -> None:
    """Append the rows of one list of requests and of the sub-agents in it."""
    requests = parent.get("requests")
    if not isinstance(requests, list):
        raise BadRecord("requests", "requests must be a list")
    previous_tok, last_s = 0, origin_s
    for request in requests:
        if not isinstance(request, dict):
            raise BadRecord("requests", "requests must hold JSON objects")
        at_s = origin_s + number_of(request, "t")
        if at_s < last_s:
            raise BadRecord("t", "t goes backwards in its list")
        last_s = at_s
        if "requests" in request:
            name = f"{session}/{request.get('agent_id', len(rows))}"
            _add_rows(request, name, index, at_s, block_tok, rows)
            continue
        prompt_tok = count_of(request, "in")
        shared, runs = _prompt_runs(request, prompt_tok, block_tok, previous_tok)
        previous_tok = shared + sum(count for _, count in runs)
        rows.append(
            {
                "at_s": at_s,
                "end_s": at_s + number_of({"api_time": 0.0, **request}, "api_time"),
                "gap_s": number_of({"think_time": 0.0, **request}, "think_time"),
                "session": session,
                "workload": str(request.get("model", "agent")),
                "input_tokens": prompt_tok,
                "output_tokens": count_of(request, "out"),
                "shared_tok": shared,
                "runs": [(index * _SCOPE + start, count) for start, count in runs],
            }
        )


def _prompt_runs(
    request: dict[str, Any], prompt_tok: int, block_tok: int, previous_tok: int
) -> tuple[int, list[tuple[int, int]]]:
    """Return the tokens shared with the list's previous request, and the runs that follow them."""
    try:
        if "ht" in request:
            shared = count_of(request, "hp", 0) * block_tok
            runs = [(int(s) * block_tok, int(n) * block_tok) for s, n in request["ht"]]
        else:
            ids = np.array(request.get("hash_ids", []), np.int64)
            shared, runs = 0, block_runs(ids, block_tok, prompt_tok) if len(ids) else []
    except (TypeError, ValueError, OverflowError):
        raise BadRecord("ht", "ht must hold pairs [start, length] of blocks") from None
    if any(s < 0 or n < 1 or s + n > _SCOPE for s, n in runs) or shared > previous_tok:
        raise BadRecord("hp", "hp and ht must name existing blocks")
    if shared + sum(n for _, n in runs) > prompt_tok:
        raise BadRecord("ht", "more blocks than the prompt has tokens")
    return shared, runs


AGENT = Format(
    "agent",
    "JSON lines, one coding-agent conversation each, with block ids (kv-cache-tester)",
    lambda head: head.has("requests", "hash_id_scope"),
    json_lines,
    _parse,
    in_order=False,
    block_tok=_BLOCK_TOK,
)
