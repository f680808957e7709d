"""Random draws of sessions: turns, pauses, lengths, and the growth of prompts."""

import math
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from simulator.rng import stream
from simulator.traffic.jit import compiled
from simulator.traffic.quantity import Quantity
from simulator.traffic.rate import HourOfRate, Rate, RateInSpans
from simulator.traffic.spans import NOMINAL_S, NOMINAL_TOKEN_S, Spans, span_of
from simulator.traffic.table import NO_NODE, since_start_s
from simulator.units import HOUR_S

MAX_TURNS = 2000
"""Most turns of a session."""
LEAST_PER_HOUR = 2
"""Smallest mean requests per hour of the first layer, for workloads with fewer at volume 1."""
LAYER_PER_HOUR = 2000
"""Approximate mean requests per hour of the first layer of a large workload. All of them are drawn
even for a tiny volume, so they must be few."""

Columns = dict[str, NDArray]


@dataclass(frozen=True, slots=True)
class Tools:
    """Turns that return the result of a tool call, instead of a person's message."""

    share: float
    """Share of the turns after a session's first that are tool results."""
    gap_s: Quantity
    """Duration of the tool call [s]."""
    message_tok: Quantity
    """Tokens of the tool's result."""


@dataclass(frozen=True, slots=True)
class Documents:
    """Passages that follow the system prompt in every prompt, drawn by their popularity."""

    count: int
    zipf: float
    """Exponent of the power law by which popularity falls with the rank."""
    per_request: int
    """Number of documents in a prompt, fewer if one is drawn twice."""
    share: float
    """Share of the requests with documents."""
    tokens: Quantity


@dataclass(frozen=True, slots=True)
class SessionTraffic:
    """Sessions that arrive open-loop, with turns that follow the answers to earlier ones."""

    name: str
    requests_per_s: float
    """Mean rate over the week, before growth and if no session ends early for a full prompt."""
    rate: Rate
    turns: Quantity
    """Turns of a session, rounded up."""
    gap_s: Quantity
    """Pause from the end of an answer to the next turn [s]."""
    system_prompt_tok: Quantity
    """Length of a system prompt, drawn once for each tenant."""
    message_tok: Quantity
    """New prompt tokens of a turn."""
    output_tok: Quantity
    """Completion tokens: output and reasoning."""
    max_output_tok: int
    """Declared limit on completion tokens, which also clips the drawn lengths."""
    max_prompt_tok: int
    """Limit of the prompt; a session is compacted, or ends, before its prompt exceeds it."""
    first_message_tok: Quantity | None = None
    """New prompt tokens of a session's first turn; None: as those of the others."""
    correlation: float = 0.0
    """Correlation of the normal scores of message and completion tokens."""
    reasoning_share: Quantity | None = None
    """Share of the completion tokens that are reasoning, which later prompts leave out."""
    stable_session_share: float = 1.0
    """Share of sessions with a stable prompt prefix; no cache can serve the others."""
    tools: Tools | None = None
    documents: Documents | None = None
    retry_share: float = 0.0
    """Share of the turns after a session's first that repeat the previous prompt."""
    retry_gap_s: Quantity = field(default_factory=lambda: Quantity.constant(5.0))
    """Pause from an answer to its retry [s]."""
    compact_to_tok: Quantity | None = None
    """Length of the summary that replaces the history of a full session; None: the session ends."""
    deadline_s: float = np.inf
    """Latest useful completion after arrival [s]; inf: interactive."""
    patience_s: float = np.inf
    """Time after which clients give up if the whole answer is not complete [s]."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """Parts of a workload that are drawn once for all hours: system prompts and documents."""

    system_tok: NDArray[np.int64]
    """Length of each tenant's system prompt. (n_tenants,)"""
    document_tok: NDArray[np.int64]
    """Length of each document. (n_documents,)"""
    document_cumulative: NDArray[np.float64]
    """Cumulative popularity of the documents, up to 1. (n_documents,)"""


@dataclass(frozen=True, slots=True)
class Layer:
    """A part of the volume whose sessions have their own random streams."""

    number: int
    below: float
    """Volume of all lower layers."""
    width: float
    """Volume of this layer."""
    share: float
    """Share of its sessions that belong to the volume and are kept."""


def layers(spec: SessionTraffic, volume: float) -> list[Layer]:
    """Cut a volume into layers: the first of about ``LAYER_PER_HOUR`` requests per hour, each
    further one as wide as all lower ones together.

    A larger volume contains all sessions of a smaller one. At most twice as many sessions are drawn
    as are kept, except in the first layer.
    """
    per_hour = spec.requests_per_s * HOUR_S
    width = 1.0
    if per_hour > LEAST_PER_HOUR:
        width = 2.0 ** min(0, round(math.log2(LAYER_PER_HOUR / per_hour)))
    elif per_hour:
        # Workloads with little traffic are simulated at large volumes; a wide first layer keeps the
        # number of layers small.
        width = 2.0 ** math.floor(math.log2(LEAST_PER_HOUR / per_hour))
    result: list[Layer] = []
    below = 0.0
    while below < volume:
        result.append(Layer(len(result), below, width, min(1.0, (volume - below) / width)))
        below += width
        width = below
    return result


def fixed_parts(spec: SessionTraffic, seed: int) -> Fixed:
    """Draw the system prompts of a workload's tenants and its documents."""
    rng = stream(seed, f"{spec.rate.stream}/fixed")
    system = spec.system_prompt_tok.counts(rng, spec.rate.tenants.count).astype(np.int64)
    if spec.documents is None:
        return Fixed(system, np.empty(0, np.int64), np.empty(0))
    tokens = np.maximum(1, spec.documents.tokens.counts(rng, spec.documents.count))
    weights = np.cumsum(np.arange(1, spec.documents.count + 1) ** -spec.documents.zipf)
    return Fixed(system, tokens.astype(np.int64), weights / weights[-1])


def draw_hour(
    workload: int,
    spec: SessionTraffic,
    fixed: Fixed,
    seed: int,
    layer: Layer,
    rate: HourOfRate,
) -> Columns:
    """Draw the sessions of one hour of one layer of volume; see ``_draw_sessions``."""
    rng = stream(seed, f"{spec.rate.stream}/sessions/{layer.number}", rate.hour)
    return _draw_sessions(workload, spec, fixed, layer, rng, *rate.draw(rng, layer.width))


def draw_spans(
    workload: int,
    spec: SessionTraffic,
    fixed: Fixed,
    seed: int,
    layer: Layer,
    rate: RateInSpans,
    reached_s: Spans,
) -> Columns:
    """Draw the sessions of one layer of volume from one stream; see ``_draw_sessions``.

    They start in the spans of ``rate``. Sessions without a turn that is due in ``reached_s`` are
    left out.
    """
    rng = stream(seed, f"{spec.rate.stream}/spans/{layer.number}")
    starts = rate.draw(rng, layer.width)
    return _draw_sessions(workload, spec, fixed, layer, rng, *starts, reached_s)


def _draw_sessions(
    workload: int,
    spec: SessionTraffic,
    fixed: Fixed,
    layer: Layer,
    rng: np.random.Generator,
    start_s: NDArray[np.float64],
    tenant: NDArray[np.int64],
    reached_s: Spans | None = None,
) -> Columns:
    """Draw sessions of one layer with known starts and tenants; rows of the columns are turns.

    ``previous`` is the row, counted from the first, whose prompt is a prefix of this row's prompt,
    or ``NO_NODE``. ``same`` marks retries, whose prompt is equal to that of the previous row.
    """
    # The order of the draws from ``rng`` defines the traffic; another order draws other requests.
    sessions = len(start_s)
    position = rng.random(sessions)  # in the layer; volumes above it contain the session
    is_stable = rng.random(sessions) < spec.stable_session_share
    turns = _draw_turns(spec, fixed, rng, sessions)
    if reached_s is not None:
        turns = turns.take_reaching(start_s, reached_s)
    prompt, previous = _draw_prompts(spec, fixed, rng, turns, tenant)
    rows, session = len(prompt), turns.session
    columns: Columns = {
        "workload": np.full(rows, workload, np.int32),
        "tenant": tenant[session].astype(np.int32),
        "start_s": start_s[session],
        "turn": (np.arange(rows) - turns.first).astype(np.int32),
        "gap_s": np.where(turns.is_first, np.nan, turns.gap_s),
        "input_tokens": prompt.astype(np.int32),
        "output_tokens": (turns.completion_tok - turns.reasoning_tok).astype(np.int32),
        "reasoning_tokens": turns.reasoning_tok.astype(np.int32),
        "stable": is_stable[session],
        "same": turns.is_retry,
        "difficulty": rng.random(rows),
        "random_bits": rng.bit_generator.random_raw(rows),
        "document": turns.document,
        "since_volume": layer.below + layer.width * position[session],
    }
    kept = (position < layer.share)[session] & (prompt > 0)
    number = np.cumsum(kept) - 1
    columns["previous"] = np.where(previous == NO_NODE, NO_NODE, number[previous])
    return {name: column[kept] for name, column in columns.items()}


@dataclass(frozen=True, slots=True)
class _Turns:
    """Turns of sessions without their prompts, in the order of sessions and turns."""

    session: NDArray[np.int64]
    """Index of the session. (n_turns,)"""
    first: NDArray[np.int64]
    """Index of the session's first turn. (n_turns,)"""
    message_tok: NDArray[np.int64]
    gap_s: NDArray[np.float64]
    completion_tok: NDArray[np.int64]
    reasoning_tok: NDArray[np.int64]
    document: NDArray[np.int32]
    """Documents in the prompt, -1 for none. (n_turns, per_request)"""
    document_tok: NDArray[np.int64]
    is_retry: NDArray[np.bool_]

    @property
    def is_first(self) -> NDArray[np.bool_]:
        """Whether each turn is the first of its session. (n_turns,)"""
        return np.arange(len(self.first)) == self.first

    def take_reaching(self, start_s: NDArray[np.float64], spans_s: Spans) -> "_Turns":
        """Return the turns of the sessions that have a turn due in one of the spans."""
        answered_s = NOMINAL_S + NOMINAL_TOKEN_S * self.completion_tok
        since_s = since_start_s(self.first, self.gap_s, answered_s)
        due_s: NDArray[np.float64] = start_s[self.session] + since_s
        is_reaching = np.zeros(len(start_s), bool)
        is_reaching[self.session[span_of(due_s, spans_s) >= 0]] = True
        kept = is_reaching[self.session]
        columns = {f.name: getattr(self, f.name)[kept] for f in fields(self)}
        # Whole sessions are kept, so that first turns only move up.
        columns["first"] = (np.cumsum(kept) - 1)[columns["first"]]
        return _Turns(**columns)


def _draw_turns(
    spec: SessionTraffic, fixed: Fixed, rng: np.random.Generator, sessions: int
) -> _Turns:
    """Draw the turns of a number of sessions."""
    turns = np.clip(np.ceil(spec.turns.draw(rng, sessions)), 1, MAX_TURNS).astype(np.int64)
    rows = int(turns.sum())
    first = np.repeat(np.cumsum(turns) - turns, turns)
    is_first = np.arange(rows) == first
    score = rng.standard_normal(rows)
    message, gap_s = _draw_messages(spec, rng, score, is_first)
    completion, reasoning = _draw_outputs(spec, rng, score)
    document, document_tok = _draw_documents(spec, fixed, rng, rows)
    is_retry = np.zeros(rows, bool)
    if spec.retry_share:
        is_retry = (rng.random(rows) < spec.retry_share) & ~is_first
        gap_s[is_retry] = spec.retry_gap_s.draw(rng, int(is_retry.sum()))
        # A retry, or the last of several in a row, has the documents of the turn that it repeats.
        repeated = np.where(is_retry, 0, np.arange(rows))
        np.maximum.accumulate(repeated, out=repeated)
        document, document_tok = document[repeated], document_tok[repeated]
    session = np.repeat(np.arange(sessions), turns)
    lengths = (message, gap_s, completion, reasoning)
    return _Turns(session, first, *lengths, document, document_tok, is_retry)


def _draw_prompts(
    spec: SessionTraffic,
    fixed: Fixed,
    rng: np.random.Generator,
    turns: _Turns,
    tenant: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the prompt tokens of each turn, 0 after a session's end, and the turn whose prompt is
    a prefix of it, or ``NO_NODE``. (n_turns,), (n_turns,)
    """
    rows = len(turns.first)
    compact = np.zeros(rows)
    if spec.compact_to_tok is not None:
        compact = np.maximum(1, spec.compact_to_tok.counts(rng, rows))
    prompt, previous = np.zeros(rows, np.int64), np.full(rows, NO_NODE, np.int64)
    _grow_prompts(
        turns.first,
        turns.is_retry,
        fixed.system_tok[tenant[turns.session]],
        turns.document_tok,
        turns.message_tok,
        turns.completion_tok - turns.reasoning_tok,
        compact.astype(np.int64),
        spec.max_prompt_tok,
        prompt,
        previous,
    )
    return prompt, previous


def _draw_messages(
    spec: SessionTraffic, rng: np.random.Generator, score: NDArray, is_first: NDArray
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Draw the new prompt tokens of each turn and the pauses [s]. (n_turns,), (n_turns,)"""
    rows = len(score)
    message = spec.message_tok.counts_at(score)
    if spec.first_message_tok is not None:
        message[is_first] = spec.first_message_tok.counts_at(score[is_first])
    gap_s = spec.gap_s.draw(rng, rows)
    if spec.tools is not None:
        is_tool = (rng.random(rows) < spec.tools.share) & ~is_first
        message[is_tool] = spec.tools.message_tok.counts_at(score[is_tool])
        gap_s[is_tool] = spec.tools.gap_s.draw(rng, int(is_tool.sum()))
    return np.maximum(1, message).astype(np.int64), gap_s


def _draw_outputs(
    spec: SessionTraffic, rng: np.random.Generator, score: NDArray
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw the completion tokens of each turn, and how many of them are reasoning.

    ``score`` is the normal score of its message. (n_turns,) -> (n_turns,), (n_turns,)
    """
    own = rng.standard_normal(len(score))
    if spec.correlation:
        own = spec.correlation * score + np.sqrt(1 - spec.correlation**2) * own
    least = 0 if spec.output_tok.most == 0 else 1
    output = np.clip(spec.output_tok.counts_at(own), least, spec.max_output_tok).astype(np.int64)
    if spec.reasoning_share is None:
        return output, np.zeros(len(score), np.int64)
    share = np.minimum(spec.reasoning_share.draw(rng, len(score)), 1.0)
    return output, np.minimum(np.rint(share * output), output - least).astype(np.int64)


def _draw_documents(
    spec: SessionTraffic, fixed: Fixed, rng: np.random.Generator, rows: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Draw the documents of each turn, (n_turns, per_request) with -1 for none, and return their
    tokens, (n_turns,).
    """
    if spec.documents is None:
        return np.empty((rows, 0), np.int32), np.zeros(rows, np.int64)
    shares = rng.random((rows, spec.documents.per_request))
    drawn: NDArray[np.int64] = np.searchsorted(fixed.document_cumulative, shares, side="right")
    for position in range(1, drawn.shape[1]):
        is_repeated = (drawn[:, :position] == drawn[:, position, None]).any(1)
        drawn[is_repeated, position] = -1
    drawn[rng.random(rows) >= spec.documents.share] = -1
    tokens = np.where(drawn >= 0, fixed.document_tok[drawn], 0).sum(1)
    return drawn.astype(np.int32), tokens


@compiled
def _grow_prompts(
    first: NDArray,
    retry: NDArray,
    system_tok: NDArray,
    document_tok: NDArray,
    message: NDArray,
    answer: NDArray,
    compact: NDArray,
    most_tok: int,
    prompt: NDArray,
    previous: NDArray,
) -> None:
    """Fill in ``prompt`` and ``previous``, see ``_draw_prompts``.

    A prompt is the fixed part, the history of the session and the new message.
    """
    history_tok = 0
    is_ended = False
    for i in range(first.size):
        if i == first[i]:
            history_tok, is_ended = 0, False
        if is_ended:
            continue
        fixed_tok = system_tok[i] + document_tok[i]
        before = NO_NODE if i == first[i] else i - 1
        if retry[i]:
            # The previous answer is discarded, and its prompt is repeated.
            history_tok -= answer[i - 1]
            prompt[i] = prompt[i - 1]
        else:
            if fixed_tok + history_tok + message[i] > most_tok:
                if compact[i] == 0 or fixed_tok + compact[i] + message[i] > most_tok:
                    is_ended = True
                    continue
                history_tok, before = compact[i], NO_NODE
            history_tok += message[i]
            prompt[i] = fixed_tok + history_tok
        previous[i] = before
        history_tok += answer[i]
