"""Synthetic traffic: sessions arrive open-loop over the week, their turns closed-loop.

Every hour of every unit of volume has its own random stream. A window of the week therefore
contains exactly the sessions that the whole week has there, and a larger volume contains all of a
smaller one, which keeps comparisons between volumes almost free of noise.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.rng import stream
from simulator.traffic.shapes import HOURS_PER_WEEK
from simulator.traffic.table import NO_NODE, PrefixTree, RequestTable
from simulator.units import HOUR_S

MAX_TURNS = 64


@dataclass(frozen=True, slots=True)
class Lognormal:
    """Lognormal by median and sigma of the logarithm, cut off at ``most``."""

    median: float
    sigma: float
    most: float

    def draw(self, rng: np.random.Generator, size: int) -> NDArray[np.float64]:
        """Draw values, (size,)."""
        return np.minimum(self.median * np.exp(self.sigma * rng.standard_normal(size)), self.most)


@dataclass(frozen=True, slots=True)
class SessionTraffic:
    """Multi-turn conversations behind one system prompt."""

    name: str
    requests_per_s: float
    """Mean over the week."""
    week: NDArray[np.float64]
    """(168,) hourly factors, mean 1."""
    turns_mean: float
    """Turns per session are geometric."""
    gap_s: Lognormal
    """From the end of an answer to the next turn."""
    system_prompt_tok: int
    message_tok: Lognormal
    output_tok: Lognormal
    max_output_tok: int
    max_prompt_tok: int
    """A session ends before its prompt grows beyond this."""
    prefix_share: float
    """Share of sessions with a stable prompt prefix; the others can be cached nowhere."""


def generate(
    workloads: tuple[SessionTraffic, ...],
    seed: int,
    *,
    volume: float = 1.0,
    begin_s: float = 0.0,
    end_s: float,
) -> RequestTable:
    """Draw the sessions that start in a span; time zero of the table is ``begin_s``.

    Parameters
    ----------
    workloads : tuple of SessionTraffic
        All workloads that share the table.
    seed : int
        Seed of the named streams.
    volume : float
        Multiple of the workloads' rates; a larger volume contains the smaller ones.
    begin_s, end_s : float
        Span since Monday 00:00 UTC [s].
    """
    parts = [
        _draw_hour(w, spec, seed, layer, hour, min(1.0, volume - layer))
        for w, spec in enumerate(workloads)
        for layer in range(math.ceil(volume))
        for hour in range(int(begin_s // HOUR_S), math.ceil(end_s / HOUR_S))
    ]
    columns = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    return _assemble(columns, workloads, begin_s, end_s)


def _draw_hour(
    workload: int, spec: SessionTraffic, seed: int, layer: int, hour: int, share: float
) -> dict[str, NDArray]:
    """Sessions of one hour of one unit of volume, of which ``share`` are kept; rows are turns."""
    rng = stream(seed, f"{spec.name}/sessions/{layer}", hour)
    rate = spec.requests_per_s / spec.turns_mean * spec.week[hour % HOURS_PER_WEEK]
    sessions = rng.poisson(rate * HOUR_S)
    start_s = (hour + np.sort(rng.random(sessions))) * HOUR_S
    kept = rng.random(sessions) < share
    stable = rng.random(sessions) < spec.prefix_share
    turns = np.minimum(rng.geometric(1 / spec.turns_mean, sessions), MAX_TURNS)
    rows = int(turns.sum())
    owner = np.repeat(np.arange(sessions), turns)
    first = np.repeat(np.cumsum(turns) - turns, turns)
    turn = np.arange(rows) - first
    message = np.maximum(1, spec.message_tok.draw(rng, rows)).astype(np.int64)
    output = np.maximum(1, spec.output_tok.draw(rng, rows)).astype(np.int64)
    output = np.minimum(output, spec.max_output_tok)
    gap_s = spec.gap_s.draw(rng, rows)
    prompt = _prompt_tok(spec.system_prompt_tok, message, output, first)
    columns = {
        "workload": np.full(rows, workload, np.int32),
        "start_s": start_s[owner],
        "turn": turn.astype(np.int32),
        "gap_s": np.where(turn == 0, np.nan, gap_s),
        "input_tokens": prompt.astype(np.int32),
        "output_tokens": output.astype(np.int32),
        "stable": stable[owner],
        "difficulty": rng.random(rows),
        "ttft_z": rng.standard_normal(rows),
        "speed_z": rng.standard_normal(rows),
    }
    # Prompts grow with every turn, so the fitting turns are the first ones of each session.
    fits = kept[owner] & (prompt <= spec.max_prompt_tok)
    return {name: column[fits] for name, column in columns.items()}


def _prompt_tok(
    system_tok: int,
    message: NDArray[np.int64],
    output: NDArray[np.int64],
    first: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Prompt of each turn: system prompt, everything said before, the new message. (n_rows,)"""
    said = np.cumsum(message + output)
    before_session = said[first] - (message + output)[first] if len(first) else said
    return system_tok + said - output - before_session


def _assemble(
    columns: dict[str, NDArray],
    workloads: tuple[SessionTraffic, ...],
    begin_s: float,
    end_s: float,
) -> RequestTable:
    """Order sessions by start, keep those of the span, and lay out the prefix tree."""
    start_s = columns["start_s"]
    inside = (start_s >= begin_s) & (start_s < end_s)
    columns = {name: column[inside] for name, column in columns.items()}
    head = columns["turn"] == 0
    arrival = columns["start_s"][head]
    by_start = np.argsort(arrival, kind="stable")
    begins = np.flatnonzero(head)
    lengths = np.diff(np.append(begins, len(head)))
    offsets = np.repeat(np.cumsum(lengths[by_start]) - lengths[by_start], lengths[by_start])
    rows = np.repeat(begins[by_start], lengths[by_start]) + np.arange(len(head)) - offsets
    columns = {name: column[rows] for name, column in columns.items()}
    count = len(rows)
    node, tree = _conversation_tree(columns, workloads)
    return RequestTable(
        arrival_s=columns["start_s"] - begin_s,
        gap_s=columns["gap_s"],
        workload=columns["workload"],
        input_tokens=columns["input_tokens"],
        output_tokens=columns["output_tokens"],
        reasoning_tokens=np.zeros(count, np.int32),
        max_output_tokens=np.array([w.max_output_tok for w in workloads], np.int32)[
            columns["workload"]
        ],
        prefix_node=node,
        session=(np.cumsum(columns["turn"] == 0) - 1).astype(np.int32),
        turn=columns["turn"],
        deadline_s=np.full(count, np.inf),
        difficulty=columns["difficulty"],
        ttft_z=columns["ttft_z"],
        speed_z=columns["speed_z"],
        tree=tree,
        workloads=tuple(w.name for w in workloads),
    )


def _conversation_tree(
    columns: dict[str, NDArray], workloads: tuple[SessionTraffic, ...]
) -> tuple[NDArray[np.int32], PrefixTree]:
    """One root per workload's system prompt, then one node per turn under the turn before it."""
    count = len(columns["turn"])
    roots = len(workloads)
    own = roots + np.arange(count, dtype=np.int32)
    parent = np.where(columns["turn"] == 0, columns["workload"], own - 1).astype(np.int32)
    depth = columns["input_tokens"]
    tree = PrefixTree(
        np.concatenate([np.full(roots, NO_NODE, np.int32), parent]),
        np.concatenate([np.array([w.system_prompt_tok for w in workloads], np.int32), depth]),
    )
    return np.where(columns["stable"], own, NO_NODE).astype(np.int32), tree
