"""Calls of which only means are known, as generated sessions with those means."""

import math
from dataclasses import dataclass

from simulator.errors import InputError
from simulator.scenario.schema.amounts import Amount, Geometric, LognormalByMean
from simulator.scenario.schema.traffic import Documents, Sessions, Simple
from simulator.scenario.schema.volume import Workload

LEAST_SHARED_TOK = 1024
"""Shortest prefix that the caches of most providers keep (OpenAI, Anthropic, 2026)."""
SHARED_STEP_TOK = 128
"""Step in which OpenAI's caches keep prefixes; a multiple of it loses nothing to rounding."""
_LEAST_OUTPUT_LIMIT_TOK = 1024


def sessions_of(section: Simple) -> Sessions:
    """Return the generated sessions whose requests have the section's means.

    A share of the requests begins with the shared prompt. Sessions of several requests repeat
    their earlier messages and answers, and every message has the same mean.

    Raises
    ------
    InputError
        If the parts of a prompt exceed its mean.
    """
    shared = _shared_prompt(section)
    shared_tok, share = shared.tok, shared.share
    turns = section.requests_per_session
    visible_tok = section.output_tokens - section.reasoning_tokens
    # The number of turns is geometric with mean ``turns``, so that a request has a mean of
    # ``turns - 1`` earlier ones in its session.
    earlier = turns - 1
    rest_tok = section.input_tokens - shared_tok * share - earlier * visible_tok
    message_tok = rest_tok / turns
    if message_tok < 1:
        raise InputError(
            f"input_tokens: of {section.input_tokens:g}, {shared_tok * share:g} are of the shared "
            f"prompt and {earlier * visible_tok:g} of earlier answers, which leaves less than 1 "
            "for a message"
        )
    most_tok = section.max_prompt_tokens or _power_of_two(16 * section.input_tokens)
    limit_tok = section.max_output_tokens or max(
        _LEAST_OUTPUT_LIMIT_TOK, _power_of_two(8 * section.output_tokens)
    )
    if most_tok <= shared_tok + message_tok:
        raise InputError(f"max_prompt_tokens: {most_tok} is less than a prompt of mean length")
    common = {name: getattr(section, name) for name in Workload.model_fields}
    reasoning = section.reasoning_tokens / section.output_tokens if section.output_tokens else 0.0
    return Sessions(
        kind="sessions",
        **common,
        turns=1 if turns == 1 else Geometric(mean=turns),
        gap_s=section.gap_s,
        system_prompt_tokens=shared_tok if share == 1 else 0,
        documents=_in_a_share(shared_tok, share) if 0 < share < 1 else None,
        message_tokens=_lengths(message_tok, section.input_sigma, most_tok - shared_tok),
        output_tokens=_lengths(section.output_tokens, section.output_sigma, limit_tok),
        reasoning_share=reasoning or None,
        max_output_tokens=limit_tok,
        max_prompt_tokens=most_tok,
        stable_session_share=shared.stable_sessions,
    )


@dataclass(frozen=True, slots=True)
class _Shared:
    """What caches can reuse of the prompts."""

    tok: int
    """Tokens of the shared prompt."""
    share: float = 1.0
    """Share of requests that begin with it."""
    stable_sessions: float = 1.0
    """Share of sessions whose prompts keep a stable prefix."""


def _shared_prompt(section: Simple) -> _Shared:
    """Return the shared prompt and the shares that cause the stated cached share.

    Raises
    ------
    InputError
        If the cached share exceeds what the stated prompts share.
    """
    shared_tok = section.shared_prompt_tokens
    if section.shared_prompt_share is not None:
        shared_tok = section.shared_prompt_share * section.input_tokens
    if section.cached_share is None:
        return _Shared(round(shared_tok or 0))
    if section.cached_share == 0:
        return _Shared(round(shared_tok or 0), stable_sessions=0.0)
    if section.requests_per_session > 1:
        return _shared_by_sessions(section, shared_tok)
    cached_tok = section.cached_share * section.input_tokens
    if shared_tok is None:
        steps = math.ceil(cached_tok / SHARED_STEP_TOK)
        shared_tok = max(LEAST_SHARED_TOK, steps * SHARED_STEP_TOK)
    elif cached_tok > shared_tok:
        raise _too_much_cached(section, shared_tok)
    return _Shared(round(shared_tok), min(1.0, cached_tok / round(shared_tok)))


def _shared_by_sessions(section: Simple, shared_tok: float | None) -> _Shared:
    """Return the same for sessions of several requests, whose history is reused.

    Every request finds the shared prompt, and each but a session's first finds the prompt before
    it. By the means of ``sessions_of``, the reused share of all prompts is then
    ``1 - 1 / n + shared / (n * input)`` for sessions of a mean of ``n`` requests.
    """
    n, cached = section.requests_per_session, section.cached_share or 0.0
    if shared_tok is None:
        shared_tok = max(0.0, (n * cached - n + 1) * section.input_tokens)
    reused = 1 - 1 / n + shared_tok / (n * section.input_tokens)
    if cached > reused * (1 + 1e-9):
        raise _too_much_cached(section, reused * section.input_tokens)
    return _Shared(round(shared_tok), stable_sessions=min(1.0, cached / reused))


def _too_much_cached(section: Simple, reused_tok: float) -> InputError:
    cached_tok = (section.cached_share or 0.0) * section.input_tokens
    return InputError(
        f"cached_share: {cached_tok:g} tokens of a mean prompt were cached, and only "
        f"{reused_tok:g} can be"
    )


def _in_a_share(shared_tok: int, share: float) -> Documents:
    """Return the shared prompt as a passage that a share of the requests begins with."""
    return Documents(count=1, zipf=0, per_request=1, share=share, tokens=shared_tok)


def _lengths(mean_tok: float, sigma: float, most_tok: float) -> Amount:
    if not mean_tok:
        return 0
    return LognormalByMean(mean=mean_tok, sigma=sigma, most=max(most_tok, math.ceil(mean_tok)))


def _power_of_two(least: float) -> int:
    """Return the smallest power of two from a number on."""
    return 2 ** max(0, math.ceil(math.log2(max(1.0, least))))
