"""A benchmark as its load generator reported it, and what the user states where that is silent."""

import math
from dataclasses import dataclass

from simulator.analysis.bench.calibration import Measurement
from simulator.analysis.bench.loads import Load, LoadKind
from simulator.errors import InputError

LIMITING = 0.8
"""Share of the permitted requests that are in flight on average, from which the limit and not the
rate determines the load (assumed)."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Way in which requests were sent."""

    kind: LoadKind
    value: float = 0.0
    """Clients, requests per second or sequences; unused if offline."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A pattern that the file does not contain."""

    missing: str
    """Keys that are missing, or the reason."""


@dataclass(frozen=True, slots=True)
class Reported:
    """One benchmark; times in seconds, NaN if not reported."""

    where: str
    """File, for messages."""
    pattern: Pattern | Unknown
    prompt_tok: float = math.nan
    """Mean length of a prompt."""
    output_tok: float = math.nan
    """Mean length of an answer, 0 if the model generates nothing."""
    requests: float = math.nan
    output_tok_s: float = math.nan
    request_s: float = math.nan
    """Completed requests per second."""
    tpot_s: float = math.nan
    ttft_s: float = math.nan
    e2e_s: float = math.nan
    """Mean time to the complete answer, or that of a whole batch."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What the user states of the loads of results that do not contain them; None: nothing."""

    kind: LoadKind | None = None
    value: float | None = None
    prompt_tok: int | None = None
    output_tok: int | None = None

    def __post_init__(self) -> None:
        if self.kind is None and self.value is not None:
            raise InputError("--value needs --load, which states what the value counts")
        if self.kind not in (None, "offline") and self.value is None:
            raise InputError(f"--load {self.kind} needs --value")

    @property
    def pattern(self) -> Pattern | None:
        """The stated way in which requests were sent."""
        return None if self.kind is None else Pattern(self.kind, self.value or 0.0)

    def unused(self, results: list[Reported]) -> str:
        """Return an option that states what every result contains, or an empty text."""
        if self.kind and not any(isinstance(r.pattern, Unknown) for r in results):
            return "--load"
        if self.prompt_tok is not None and not any(math.isnan(r.prompt_tok) for r in results):
            return "--isl"
        if self.output_tok is not None and not any(math.isnan(r.output_tok) for r in results):
            return "--osl"
        return ""


def pattern_of(where: str, clients: float, rate: float, in_flight: float) -> Pattern:
    """Return the pattern of a limit on clients and a rate, of which at least one is given.

    NaN stands for one that is not given, infinity for none. Where both are finite, requests arrive
    at the rate until the limit is reached; the mean number in flight shows which of them held.
    """
    is_open, is_closed = math.isfinite(rate), math.isfinite(clients)
    if is_open and is_closed:
        if math.isnan(in_flight):
            raise InputError(
                f"{where}: a rate of {rate:g} with at most {clients:g} requests in flight: without "
                "the mean latency, the file does not show which of the two determined the load"
            )
        is_open = in_flight < LIMITING * clients
    if is_open:
        return Pattern("request-rate", rate)
    return Pattern("concurrency", clients) if is_closed else Pattern("offline")


def measurement(result: Reported, stated: Stated) -> Measurement:
    """Return the measurement of a result, completed by what the user states.

    Raises
    ------
    InputError
        When the load or the throughput is neither in the file nor stated.
    """
    pattern = result.pattern
    if isinstance(pattern, Unknown):
        if stated.pattern is None:
            raise InputError(
                f"{result.where}: the load is not in the file: {pattern.missing}; state it with "
                "--load and --value"
            )
        pattern = stated.pattern
    prompt_tok = _length(result.prompt_tok, stated.prompt_tok, result.where, "prompts", "--isl")
    output_tok = _length(result.output_tok, stated.output_tok, result.where, "answers", "--osl")
    requests = None if math.isnan(result.requests) else max(1, round(result.requests))
    load = Load(
        pattern.kind,
        pattern.value,
        max(1, round(prompt_tok)),
        max(1, round(output_tok)) if output_tok else 0,
        requests=requests,
    )
    tok = output_tok or prompt_tok
    speed = result.output_tok_s if output_tok else math.nan
    if math.isnan(speed):
        speed = result.request_s * tok
    if math.isnan(speed) and pattern.kind == "static-batch":
        speed = pattern.value * tok / result.e2e_s
    if not speed > 0:
        raise InputError(f"{result.where}: no throughput in the file for a load of {load.label}")
    return Measurement(load, speed, result.tpot_s, result.ttft_s, source=result.where)


def _length(reported: float, stated: int | None, where: str, name: str, option: str) -> float:
    """Return a mean length in tokens, from the file or from the user."""
    if not math.isnan(reported):
        return reported
    if stated is None:
        raise InputError(f"{where}: no length of {name} in the file; state it with {option}")
    return stated
