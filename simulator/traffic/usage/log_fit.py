"""A workload that resembles a request log: its rate, sessions, lengths and reuse in a few numbers.

Logs with sessions tell turns, pauses and what each turn adds. In logs with prefixes and without
sessions, a prompt that repeats more than the shared beginning continues an earlier one; the age of
what it repeats is the pause.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.traffic.logs.log import UNKNOWN, Batch, Log
from simulator.traffic.logs.replay import previous_rows
from simulator.traffic.reuse.reuse import live_tokens, reuse
from simulator.traffic.table import NO_NODE
from simulator.traffic.usage.profile import MONDAY_S, Profile, profile_of

POINTS = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
"""Quantiles by which lengths, pauses and turns are described."""
_LEAST_ROWS = 20
"""Fewest values that are described by quantiles."""
_MOST_OF = 0.9
"""Part of an earlier prompt that a later one must repeat to count as its continuation."""
_SHARED_BY_MOST = 0.1
"""Quantile of the repeated tokens of first prompts at which the shared beginning ends."""
_LEAST_REPEATED_TOK = 16
"""Repeated tokens from which a prompt counts as sharing something."""


@dataclass(frozen=True, slots=True)
class Described:
    """A distribution by its quantiles, largest value and mean."""

    quantiles: dict[float, float]
    """Values at ``POINTS``."""
    most: float
    mean: float


@dataclass(frozen=True, slots=True)
class LogWorkload:
    """What a log tells about one of its workloads."""

    name: str
    requests: int
    span_s: float
    profile: Profile
    """Profile of the starts of sessions."""
    input_tok: float
    """Mean prompt tokens."""
    completion_tok: float
    """Mean output tokens, reasoning included."""
    reasoning_share: float
    """Share of reasoning in the completion tokens."""
    turns: Described | None
    """Requests of a session, None for sessions of one request."""
    gap_s: Described | None
    """Pauses within sessions [s]."""
    shared_tok: int
    """Tokens of the beginning that first prompts share."""
    shared_share: float
    """Share of first prompts that begin with it."""
    stable_share: float
    """Share of sessions whose prompts keep a stable prefix, as far as the log tells it."""
    first_tok: Described
    """Tokens of first prompts after the shared beginning."""
    message_tok: Described | None
    """Tokens that a later prompt adds to the previous prompt and its answer."""
    output_tok: Described
    """Completion tokens."""
    correlation: float
    """Correlation of the normal scores of added and completion tokens."""
    reused_share: float
    """Share of prompt tokens that an infinite cache would serve."""
    longest_prompt_tok: int
    longest_completion_tok: int
    deadline_s: float
    """Median deadline after arrival [s], infinite for interactive work."""


def fit_log(log: Log) -> tuple[LogWorkload, ...]:
    """Describe each workload of a log; time zero of its rows is Monday 00:00 UTC.

    The one with the most tokens is first.
    """
    rows = log.rows
    repeated = np.zeros(rows.size, np.int64)
    if (log.prefix_node != NO_NODE).any():
        repeated = live_tokens(log.tree, log.prefix_node, rows.at_s, np.inf)
    found = []
    for index, name in enumerate(log.workloads):
        own = np.flatnonzero(rows.workload == index)
        if len(own):
            found.append(_workload(name, log, own, repeated))
    return tuple(sorted(found, key=lambda w: -w.requests * (w.input_tok + w.completion_tok)))


def _workload(
    name: str, log: Log, own: NDArray[np.int64], repeated: NDArray[np.int64]
) -> LogWorkload:
    rows = log.rows.take(own)
    gap_s, previous = previous_rows(rows)
    prompt = rows.input_tokens.astype(np.float64)
    completion = rows.output_tokens + rows.reasoning_tokens
    later = previous != UNKNOWN
    again = repeated[own]
    if not _repeat_earlier(prompt, again, previous):
        # Each turn has passages of its own: its prompt is that of a single call.
        later = np.zeros(rows.size, bool)
    known_turns = later.any()
    if known_turns:
        before = prompt[previous] + rows.output_tokens[previous]
        added = np.where(later, prompt - before, prompt)
    elif (previous != UNKNOWN).any():
        added = prompt
    else:
        shared_tok, _ = _shared(again, np.ones(rows.size, bool))
        later = again > max(_LEAST_REPEATED_TOK, 1.5 * shared_tok)
        added = np.where(later, prompt - again - rows.output_tokens.mean(), prompt)
    shared_tok, shared_share = _shared(again, ~later)
    stable = 1.0
    if known_turns and again.any():
        stable = float((again[later] >= _MOST_OF * prompt[previous[later]]).mean())
    if shared_share >= 0.9 * stable > 0:
        # Sessions without a stable prefix have the same beginning, which repeats nothing.
        shared_share, has_shared = 1.0, ~later
    else:
        stable, has_shared = 1.0, ~later & (again >= _LEAST_REPEATED_TOK)
    added = np.maximum(1, added - np.where(has_shared, shared_tok, 0))
    turns, pauses = _sessions(log, rows, own, later, gap_s, known=bool(known_turns))
    reasoning = float(rows.reasoning_tokens.sum() / max(1, completion.sum()))
    limits = rows.max_output_tokens[rows.max_output_tokens != UNKNOWN]
    at_s, alone = rows.at_s, np.ones(int((~later).sum()))
    nodes, total = log.prefix_node[own], max(1, int(prompt.sum()))
    shared = (nodes != NO_NODE).any()
    return LogWorkload(
        name=name,
        requests=rows.size,
        span_s=log.span_s,
        profile=profile_of(MONDAY_S + at_s[~later], alone, alone, MONDAY_S, log.span_s),
        input_tok=total / rows.size,
        completion_tok=float(completion.mean()),
        reasoning_share=reasoning,
        turns=turns,
        gap_s=pauses,
        shared_tok=shared_tok,
        shared_share=shared_share,
        stable_share=stable,
        first_tok=_described(added[~later]),
        message_tok=_described(added[later]) if later.sum() >= _LEAST_ROWS else None,
        output_tok=_described(completion.astype(np.float64)),
        correlation=_correlation(added, completion),
        reused_share=reuse(log.tree, nodes, rows.input_tokens, at_s).share if shared else 0.0,
        longest_prompt_tok=int(prompt.max()),
        longest_completion_tok=int(max(completion.max(), limits.max(initial=1), 1)),
        deadline_s=float(np.median(rows.deadline_s)),
    )


def _repeat_earlier(
    prompt: NDArray[np.float64], again: NDArray[np.int64], previous: NDArray[np.int64]
) -> bool:
    """Return whether later prompts of sessions repeat the earlier ones, if they repeat anything."""
    later = np.flatnonzero((previous != UNKNOWN) & (again >= _LEAST_REPEATED_TOK))
    if not len(later):
        return True
    return bool((again[later] >= _MOST_OF * prompt[previous[later]]).mean() >= 0.5)


def _shared(again: NDArray[np.int64], first: NDArray[np.bool_]) -> tuple[int, float]:
    """Return the tokens that first prompts share, and the share of them that does.

    Nearly all of those that share anything share at least this beginning; what some of them share
    beyond it, such as popular passages, is not part of it.
    """
    has = again[first] >= _LEAST_REPEATED_TOK
    if not has.any() or has.mean() < 0.05:
        return 0, 0.0
    # The first prompt of all cannot repeat anything, so one is left out of the count.
    return int(np.quantile(again[first][has], _SHARED_BY_MOST)), float(
        has.sum() / max(1, first.sum() - 1)
    )


def _sessions(
    log: Log,
    rows: Batch,
    own: NDArray[np.int64],
    later: NDArray[np.bool_],
    gap_s: NDArray[np.float64],
    *,
    known: bool,
) -> tuple[Described | None, Described | None]:
    """Return the turns of sessions and the pauses within them, None for single requests."""
    if later.sum() < _LEAST_ROWS:
        return None, None
    if known:
        alone = int((~later).sum())
        in_session = rows.session != UNKNOWN
        counts = np.unique(rows.session[in_session], return_counts=True)[1]
        singles = np.ones(max(0, alone - len(counts)))
        return _described(np.concatenate([counts, singles])), _described(gap_s[later])
    mean = rows.size / max(1, int((~later).sum()))
    pauses = reuse(log.tree, log.prefix_node[own], rows.input_tokens, rows.at_s)
    answer_s = 0.0
    known_ends = np.isfinite(rows.end_s)
    if known_ends.any():
        answer_s = float((rows.end_s - rows.at_s)[known_ends].mean())
    points = {q: max(0.1, (pauses.age_s(q) or 0.0) - answer_s) for q in POINTS}
    gaps = Described(points, max(points.values()), points[0.5])
    return Described({}, np.inf, mean), gaps


def _described(values: NDArray[np.float64]) -> Described:
    """Return the quantiles, the largest value and the mean of some values."""
    points = np.maximum.accumulate(np.maximum(np.quantile(values, POINTS), 1e-3))
    quantiles = {q: float(v) for q, v in zip(POINTS, points, strict=True)}
    return Described(quantiles, float(values.max()), float(values.mean()))


def _correlation(added: NDArray[np.float64], completion: NDArray[np.int64]) -> float:
    """Return the correlation of normal scores that has the rank correlation of two lengths."""
    from scipy.stats import spearmanr

    if len(added) < _LEAST_ROWS or not np.ptp(added) or not np.ptp(completion):
        return 0.0
    rank = float(spearmanr(added, completion).statistic)
    return float(np.clip(2 * np.sin(np.pi * rank / 6), -0.99, 0.99))
