"""Calls that an application makes where they differ from the requests of the traffic.

A more verbose model answers with more tokens; prompts are split to stay below a surcharge, or
replaced by passages that a search finds; answers that a check rejects are requested again. Each
transformation makes one request table from another; the calls for one request follow one another
like the turns of a session.
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


def apply_reshaping(table: RequestTable, reshaping: Reshaping) -> RequestTable:
    """Return the calls that an application makes instead of a table's requests.

    The parts of a split prompt are sent one after another; an application that sends them at once
    waits for less time than is simulated here.
    """
    table = _scale_outputs(table, reshaping.output_factor)
    if reshaping.retrieve_tok is not None:
        table = _replace_by_passages(table, reshaping.retrieve_tok)
    if reshaping.split_above_tok is not None:
        table = _split_prompts(table, reshaping.split_above_tok, reshaping.part_output_tok)
    return table


def repeat_rejected(
    table: RequestTable, model: str, success_rate: float, quality: Quality
) -> RequestTable:
    """Return a table in which requests whose wrong answers are detected are sent again."""
    calls = np.ones(table.size, np.int64)
    open_rows = np.arange(table.size)
    for attempt in range(quality.attempts - 1):
        rejected = rejects(table.take(open_rows), model, success_rate, quality, attempt)
        open_rows = open_rows[rejected]
        calls[open_rows] += 1
    return _repeat_rows(table, calls, quality.check_s)


def rejects(
    table: RequestTable, model: str, success_rate: float, quality: Quality, attempt: int = 0
) -> NDArray[np.bool_]:
    """Return whether the check rejects a model's answer to each request. (n_requests,)"""
    draw = uniforms(table.random_bits, f"success/{model}", attempt)
    is_right = succeeds(table.difficulty, draw, success_rate, quality.correlation)
    check_draw = uniforms(table.random_bits, f"check/{model}", attempt)
    return np.where(is_right, check_draw < quality.false_alarms, check_draw < quality.catches)


def _scale_outputs(table: RequestTable, factor: float) -> RequestTable:
    """Multiply the output tokens by a factor, rounding up."""
    if factor == 1.0:
        return table
    columns = {
        name: np.ceil(getattr(table, name) * factor - 1e-9).astype(np.int32)
        for name in ("output_tokens", "reasoning_tokens", "max_output_tokens")
    }
    return replace(table, **columns)


def _replace_by_passages(table: RequestTable, most_tok: int) -> RequestTable:
    """Cut prompts to a length; of their shared prefix, only the system prompt remains."""
    is_long = table.input_tokens > most_tok
    node = _root_within(table, np.full(table.size, most_tok))
    return replace(
        table,
        input_tokens=np.where(is_long, most_tok, table.input_tokens).astype(np.int32),
        prefix_node=np.where(is_long, node, table.prefix_node).astype(np.int32),
    )


def _split_prompts(table: RequestTable, part_tok: int, part_output_tok: int) -> RequestTable:
    """Send the parts of long prompts first, then a request that combines their answers."""
    parts = np.where(table.input_tokens > part_tok, -(-table.input_tokens // part_tok), 0)
    split = _repeat_rows(table, parts.astype(np.int64) + 1, 0.0)
    starts = np.cumsum(parts + 1) - parts - 1
    index = np.arange(split.size) - np.repeat(starts, parts + 1)
    count = np.repeat(parts, parts + 1)
    prompt_tok = np.repeat(table.input_tokens, parts + 1)
    reading, answering = index < count, (index == count) & (count > 0)
    part = np.minimum(part_tok, prompt_tok - index * part_tok)
    answer = np.minimum(part_output_tok, split.max_output_tokens)
    tokens = np.where(reading, part, np.where(answering, count * answer, prompt_tok))
    node = np.where(reading & (index == 0), _root_within(split, tokens), NO_NODE)
    return replace(
        split,
        input_tokens=np.maximum(1, tokens).astype(np.int32),
        output_tokens=np.where(reading, answer, split.output_tokens).astype(np.int32),
        reasoning_tokens=np.where(reading, 0, split.reasoning_tokens).astype(np.int32),
        prefix_node=np.where(count > 0, node, split.prefix_node).astype(np.int32),
    )


def _root_within(table: RequestTable, most_tok: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return the root of each prompt's prefix, NO_NODE if it is too long. (n_requests,)"""
    shared = table.prefix_node != NO_NODE
    root = np.full(table.size, NO_NODE, np.int32)
    root[shared] = roots(table.tree)[table.prefix_node[shared]]
    fits = np.zeros(table.size, np.bool_)
    fits[shared] = table.tree.depth_tok[root[shared]] <= most_tok[shared]
    return np.where(fits, root, NO_NODE).astype(np.int32)


def _repeat_rows(table: RequestTable, calls: NDArray[np.int64], gap_s: float) -> RequestTable:
    """Return a table with each row repeated, each repetition a pause after the answer before it."""
    if (calls == 1).all():
        return table
    rows = np.repeat(np.arange(table.size), calls)
    number = np.arange(len(rows)) - np.repeat(np.cumsum(calls) - calls, calls)
    is_repetition = number > 0
    repeated = table.take(rows)
    gaps_s = np.where(is_repetition, gap_s, repeated.gap_s)
    starts = np.flatnonzero(np.isnan(gaps_s))
    turn = np.arange(len(rows)) - np.repeat(starts, np.diff(np.append(starts, len(rows))))
    return replace(
        repeated,
        gap_s=gaps_s,
        turn=turn.astype(np.int32),
        random_bits=repeated.random_bits + _ANOTHER_CALL * number.astype(np.uint64),
    )
