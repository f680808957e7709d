"""Sessions of one hour: their turns, pauses, lengths, and how their prompts grow."""

import math
from dataclasses import dataclass, field

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
LEAST_PER_HOUR = 2
"""Mean requests per hour of the first layer of a volume with fewer."""
LAYER_PER_HOUR = 2000
"""Mean requests per hour of the first layer of a large volume: few enough to be thrown away."""

Columns = dict[str, NDArray]


@dataclass(frozen=True, slots=True)
class Tools:
    """Turns that answer a tool call instead of a person."""

    share: float
    """Of the turns behind a session's first."""
    gap_s: Quantity
    message_tok: Quantity


@dataclass(frozen=True, slots=True)
class Documents:
    """Passages that every prompt holds behind its tenant's prompt, the popular ones more often."""

    count: int
    zipf: float
    per_request: int
    share: float
    """Of the requests that hold any."""
    tokens: Quantity


@dataclass(frozen=True, slots=True)
class SessionTraffic:
    """Sessions that arrive open-loop; their turns follow the answers they get."""

    name: str
    requests_per_s: float
    """Mean over the week at time zero, as long as no session is cut short."""
    rate: Rate
    turns: Quantity
    """Rounded up."""
    gap_s: Quantity
    """From the end of an answer to the next turn."""
    system_prompt_tok: Quantity
    """One draw for each tenant."""
    message_tok: Quantity
    output_tok: Quantity
    """Visible and reasoning."""
    max_output_tok: int
    max_prompt_tok: int
    """A session is compacted, or ends, before its prompt grows beyond this."""
    first_message_tok: Quantity | None = None
    correlation: float = 0.0
    """Of the normal scores of message and output."""
    reasoning_share: Quantity | None = None
    """Share of the output that is reasoning, left out of later prompts."""
    prefix_share: float = 1.0
    """Share of sessions with a stable prompt prefix; the others can be cached nowhere."""
    tools: Tools | None = None
    documents: Documents | None = None
    retry_share: float = 0.0
    """Share of the answers that are asked for once more, with the same prompt."""
    retry_gap_s: Quantity = field(default_factory=lambda: Quantity.constant(5.0))
    compact_to_tok: Quantity | None = None
    """What a full session is summarised to behind its tenant's prompt; None: it ends."""
    deadline_s: float = np.inf
    patience_s: float = np.inf
    """Clients give up when their whole answer is not there by then."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """What does not change from hour to hour: the prompts of tenants and the documents."""

    system_tok: NDArray[np.int64]
    """(n_tenants,)"""
    document_tok: NDArray[np.int64]
    """(n_documents,)"""
    document_cumulative: NDArray[np.float64]
    """Popularity up to each document. (n_documents,)"""


@dataclass(frozen=True, slots=True)
class Layer:
    """A part of the volume whose sessions have random streams of their own."""

    number: int
    below: float
    """Volume of all layers before it."""
    width: float
    """Volume that it adds."""
    share: float
    """Share of its sessions that are kept."""


def layers(spec: SessionTraffic, volume: float) -> list[Layer]:
    """Cut a volume into layers, the first of about ``LAYER_PER_HOUR`` requests, each next one as
    wide as all before it.

    A larger volume contains all sessions of a smaller one, and no more than twice as many sessions
    are drawn as are kept, but for the first layer's.
    """
    per_hour = spec.requests_per_s * HOUR_S
    width = 1.0
    if per_hour > LEAST_PER_HOUR:
        width = 2.0 ** min(0, round(math.log2(LAYER_PER_HOUR / per_hour)))
    elif per_hour:
        # Of hardly any traffic a large multiple is simulated, in few layers.
        width = 2.0 ** math.floor(math.log2(LEAST_PER_HOUR / per_hour))
    found: list[Layer] = []
    below = 0.0
    while below < volume:
        found.append(Layer(len(found), below, width, min(1.0, (volume - below) / width)))
        below += width
        width = below
    return found


def fixed_parts(spec: SessionTraffic, seed: int) -> Fixed:
    """Draw the prompts of a workload's tenants and its documents."""
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
    """Draw the sessions of one hour of one layer of volume; see ``_sessions``."""
    rng = stream(seed, f"{spec.rate.stream}/sessions/{layer.number}", rate.hour)
    return _sessions(workload, spec, fixed, layer, rng, *rate.draw(rng, layer.width))


def draw_spans(
    workload: int,
    spec: SessionTraffic,
    fixed: Fixed,
    seed: int,
    layer: Layer,
    rate: RateInSpans,
    reached_s: Spans,
) -> Columns:
    """Draw sessions of one layer of volume, all in one stream; see ``_sessions``.

    They start in the spans of the rate. Left out are those of which no turn would be due in the
    spans that are to be ``reached_s``.
    """
    rng = stream(seed, f"{spec.rate.stream}/spans/{layer.number}")
    begun = rate.draw(rng, layer.width)
    return _sessions(workload, spec, fixed, layer, rng, *begun, reached_s)


def _sessions(
    workload: int,
    spec: SessionTraffic,
    fixed: Fixed,
    layer: Layer,
    rng: np.random.Generator,
    start_s: NDArray[np.float64],
    tenant: NDArray[np.int64],
    reached_s: Spans | None = None,
) -> Columns:
    """Draw all that happens in sessions of one layer whose starts are known; rows are turns.

    ``previous`` is the row whose prompt a row's prompt begins with, counted from the first, or
    ``NO_NODE``; ``same`` marks retries, whose prompt is that row's.
    """
    sessions = len(start_s)
    lot = rng.random(sessions)
    kept = lot < layer.share
    stable = rng.random(sessions) < spec.prefix_share
    turns = np.clip(np.ceil(spec.turns.draw(rng, sessions)), 1, MAX_TURNS).astype(np.int64)
    rows = int(turns.sum())
    owner = np.repeat(np.arange(sessions), turns)
    first = np.repeat(np.cumsum(turns) - turns, turns)
    head = np.arange(rows) == first
    score = rng.standard_normal(rows)
    message, gap_s = _messages(spec, rng, score, head)
    output, reasoning = _outputs(spec, rng, score)
    document, document_tok = _documents(spec, fixed, rng, rows)
    retry = np.zeros(rows, bool)
    if spec.retry_share:
        retry = (rng.random(rows) < spec.retry_share) & ~head
        gap_s[retry] = spec.retry_gap_s.draw(rng, int(retry.sum()))
        asked = np.where(retry, 0, np.arange(rows))
        np.maximum.accumulate(asked, out=asked)
        document, document_tok = document[asked], document_tok[asked]
    if reached_s is not None:
        since_s = since_start_s(first, gap_s, NOMINAL_S + NOMINAL_TOKEN_S * output)
        due_s: NDArray[np.float64] = start_s[owner] + since_s
        reaching = np.zeros(sessions, bool)
        reaching[owner[span_of(due_s, reached_s) >= 0]] = True
        left = np.flatnonzero(reaching[owner])
        first = (np.cumsum(reaching[owner]) - 1)[first[left]]
        owner, head, retry = owner[left], head[left], retry[left]
        message, gap_s = message[left], gap_s[left]
        output, reasoning = output[left], reasoning[left]
        document, document_tok = document[left], document_tok[left]
        rows = len(left)
    compact = np.zeros(rows)
    if spec.compact_to_tok is not None:
        compact = np.maximum(1, spec.compact_to_tok.counts(rng, rows))
    prompt, previous = np.zeros(rows, np.int64), np.full(rows, NO_NODE, np.int64)
    _grow(
        first,
        retry,
        fixed.system_tok[tenant[owner]],
        document_tok,
        message,
        output - reasoning,
        compact.astype(np.int64),
        spec.max_prompt_tok,
        prompt,
        previous,
    )
    columns: Columns = {
        "workload": np.full(rows, workload, np.int32),
        "tenant": tenant[owner].astype(np.int32),
        "start_s": start_s[owner],
        "turn": (np.arange(rows) - first).astype(np.int32),
        "gap_s": np.where(head, np.nan, gap_s),
        "input_tokens": prompt.astype(np.int32),
        "output_tokens": (output - reasoning).astype(np.int32),
        "reasoning_tokens": reasoning.astype(np.int32),
        "stable": stable[owner],
        "same": retry,
        "difficulty": rng.random(rows),
        "random_bits": rng.bit_generator.random_raw(rows),
        "document": document,
        "since_volume": layer.below + layer.width * lot[owner],
    }
    fits = kept[owner] & (prompt > 0)
    number = np.cumsum(fits) - 1
    columns["previous"] = np.where(previous == NO_NODE, NO_NODE, number[previous])
    return {name: column[fits] for name, column in columns.items()}


def _messages(
    spec: SessionTraffic, rng: np.random.Generator, score: NDArray, head: NDArray
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """New prompt tokens and pauses of each row."""
    rows = len(score)
    message = spec.message_tok.counts_at(score)
    if spec.first_message_tok is not None:
        message[head] = spec.first_message_tok.counts_at(score[head])
    gap_s = spec.gap_s.draw(rng, rows)
    if spec.tools is not None:
        tool = (rng.random(rows) < spec.tools.share) & ~head
        message[tool] = spec.tools.message_tok.counts_at(score[tool])
        gap_s[tool] = spec.tools.gap_s.draw(rng, int(tool.sum()))
    return np.maximum(1, message).astype(np.int64), gap_s


def _outputs(
    spec: SessionTraffic, rng: np.random.Generator, score: NDArray
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All output tokens and those of them that are reasoning, of each row."""
    own = rng.standard_normal(len(score))
    if spec.correlation:
        own = spec.correlation * score + np.sqrt(1 - spec.correlation**2) * own
    least = 0 if spec.output_tok.most == 0 else 1
    output = np.clip(spec.output_tok.counts_at(own), least, spec.max_output_tok).astype(np.int64)
    if spec.reasoning_share is None:
        return output, np.zeros(len(score), np.int64)
    share = np.minimum(spec.reasoning_share.draw(rng, len(score)), 1.0)
    return output, np.minimum(np.rint(share * output), output - least).astype(np.int64)


def _documents(
    spec: SessionTraffic, fixed: Fixed, rng: np.random.Generator, rows: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Documents of each row, (n_rows, per_request) with -1 for none, and their tokens."""
    if spec.documents is None:
        return np.empty((rows, 0), np.int32), np.zeros(rows, np.int64)
    lots = rng.random((rows, spec.documents.per_request))
    drawn: NDArray[np.int64] = np.searchsorted(fixed.document_cumulative, lots, side="right")
    for place in range(1, drawn.shape[1]):
        drawn[(drawn[:, :place] == drawn[:, place, None]).any(1), place] = -1
    drawn[rng.random(rows) >= spec.documents.share] = -1
    tokens = np.where(drawn >= 0, fixed.document_tok[drawn], 0).sum(1)
    return drawn.astype(np.int32), tokens


@compiled
def _grow(
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
    """Fill in every row's prompt and the row whose prompt it begins with; 0 ends a session."""
    said = 0
    ended = False
    for i in range(first.size):
        if i == first[i]:
            said, ended = 0, False
        if ended:
            continue
        fixed_tok = system_tok[i] + document_tok[i]
        before = NO_NODE if i == first[i] else i - 1
        if retry[i]:
            # The answer is thrown away, the question stands.
            said -= answer[i - 1]
            prompt[i] = prompt[i - 1]
        else:
            if fixed_tok + said + message[i] > most_tok:
                if compact[i] == 0 or fixed_tok + compact[i] + message[i] > most_tok:
                    ended = True
                    continue
                said, before = compact[i], NO_NODE
            said += message[i]
            prompt[i] = fixed_tok + said
        previous[i] = before
        said += answer[i]
