"""What an application asks of a model, where that is not what the traffic says.

A wordier model answers in more tokens; prompts are split below a surcharge, or replaced by
passages that a search finds; answers that a check finds wrong are asked for again. All of it is
a request table made from another: the calls of one request follow one another as turns do.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.quality.difficulty import succeeds
from simulator.analysis.study.options import Reshaping
from simulator.analysis.study.study import Quality
from simulator.rng import uniforms
from simulator.traffic.table import NO_NODE, RequestTable, roots

_ANOTHER_CALL = np.uint64(0xD1B54A32D192ED03)


def reshaped(table: RequestTable, how: Reshaping) -> RequestTable:
    """Return the calls that an application makes in the place of a table's requests.

    Parts of a split prompt are asked one behind the other; where an application asks them at once,
    it waits less than is said here.
    """
    table = _longer_answers(table, how.output_factor)
    if how.retrieve_tok is not None:
        table = _retrieved(table, how.retrieve_tok)
    if how.split_above_tok is not None:
        table = _split(table, how.split_above_tok, how.part_output_tok)
    return table


def asked_again(
    table: RequestTable, model: str, success_rate: float, quality: Quality
) -> RequestTable:
    """Return a table in which wrong answers that are found out are asked for once more."""
    calls = np.ones(table.size, np.int64)
    open_rows = np.arange(table.size)
    for attempt in range(quality.attempts - 1):
        rejected = rejects(table.take(open_rows), model, success_rate, quality, attempt)
        open_rows = open_rows[rejected]
        calls[open_rows] += 1
    return _repeated(table, calls, quality.check_s)


def rejects(
    table: RequestTable, model: str, success_rate: float, quality: Quality, attempt: int = 0
) -> NDArray[np.bool_]:
    """Whether the check turns an answer of a model away. (n_requests,)"""
    luck = uniforms(table.random_bits, f"success/{model}", attempt)
    right = succeeds(table.difficulty, luck, success_rate, quality.correlation)
    seen = uniforms(table.random_bits, f"check/{model}", attempt)
    return np.where(right, seen < quality.false_alarms, seen < quality.catches)


def _longer_answers(table: RequestTable, factor: float) -> RequestTable:
    if factor == 1.0:
        return table
    columns = {
        name: np.ceil(getattr(table, name) * factor - 1e-9).astype(np.int32)
        for name in ("output_tokens", "reasoning_tokens", "max_output_tokens")
    }
    return replace(table, **columns)


def _retrieved(table: RequestTable, most_tok: int) -> RequestTable:
    """Cut prompts to a length; of what they shared, the system prompt is left."""
    long = table.input_tokens > most_tok
    node = _root_within(table, np.full(table.size, most_tok))
    return replace(
        table,
        input_tokens=np.where(long, most_tok, table.input_tokens).astype(np.int32),
        prefix_node=np.where(long, node, table.prefix_node).astype(np.int32),
    )


def _split(table: RequestTable, part_tok: int, part_output_tok: int) -> RequestTable:
    """Ask for parts of long prompts first, then for an answer from the answers to the parts."""
    parts = np.where(table.input_tokens > part_tok, -(-table.input_tokens // part_tok), 0)
    split = _repeated(table, parts.astype(np.int64) + 1, 0.0)
    begins = np.cumsum(parts + 1) - parts - 1
    place = np.arange(split.size) - np.repeat(begins, parts + 1)
    count = np.repeat(parts, parts + 1)
    whole = np.repeat(table.input_tokens, parts + 1)
    reading, answering = place < count, (place == count) & (count > 0)
    part = np.minimum(part_tok, whole - place * part_tok)
    answer = np.minimum(part_output_tok, split.max_output_tokens)
    tokens = np.where(reading, part, np.where(answering, count * answer, whole))
    node = np.where(reading & (place == 0), _root_within(split, tokens), NO_NODE)
    return replace(
        split,
        input_tokens=np.maximum(1, tokens).astype(np.int32),
        output_tokens=np.where(reading, answer, split.output_tokens).astype(np.int32),
        reasoning_tokens=np.where(reading, 0, split.reasoning_tokens).astype(np.int32),
        prefix_node=np.where(count > 0, node, split.prefix_node).astype(np.int32),
    )


def _root_within(table: RequestTable, most_tok: NDArray[np.int64]) -> NDArray[np.int32]:
    """Root of each prompt's path, where it is not longer than allowed. (n_requests,)"""
    shared = table.prefix_node != NO_NODE
    root = np.full(table.size, NO_NODE, np.int32)
    root[shared] = roots(table.tree)[table.prefix_node[shared]]
    fits = np.zeros(table.size, np.bool_)
    fits[shared] = table.tree.depth_tok[root[shared]] <= most_tok[shared]
    return np.where(fits, root, NO_NODE).astype(np.int32)


def _repeated(table: RequestTable, calls: NDArray[np.int64], gap_s: float) -> RequestTable:
    """Return a table with each row as many times, each call a pause behind the one before it."""
    if (calls == 1).all():
        return table
    rows = np.repeat(np.arange(table.size), calls)
    number = np.arange(len(rows)) - np.repeat(np.cumsum(calls) - calls, calls)
    again = number > 0
    longer = table.take(rows)
    gaps_s = np.where(again, gap_s, longer.gap_s)
    begins = np.flatnonzero(np.isnan(gaps_s))
    place = np.arange(len(rows)) - np.repeat(begins, np.diff(np.append(begins, len(rows))))
    return replace(
        longer,
        gap_s=gaps_s,
        turn=place.astype(np.int32),
        random_bits=longer.random_bits + _ANOTHER_CALL * number.astype(np.uint64),
    )
