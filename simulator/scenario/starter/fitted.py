"""Traffic sections from usage exports and logs: what is measured, and what is assumed.

Lengths within sessions build on one another, so the lengths of a fitted log are scaled until a
draw of its traffic has the log's mean prompt.
"""

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from simulator.normal import Z_90
from simulator.scenario.resolve.presets import load_preset
from simulator.scenario.starter.generator import section_workload
from simulator.scenario.starter.traffic_text import TrafficSection
from simulator.traffic.generate import generate
from simulator.traffic.logs.collect import collect
from simulator.traffic.logs.replay import recorded
from simulator.traffic.reuse.reuse import reuse
from simulator.traffic.usage.fit import BATCH_TIERS, UsageFit, UsageWorkload
from simulator.traffic.usage.log_fit import Described, LogWorkload
from simulator.traffic.usage.profile import Profile, rate_noise
from simulator.units import HOUR_S, MONTH_HOURS, MONTH_S

NOISE_PRESET = "chat"
"""Preset whose noise of the rate is taken at time scales that an export cannot tell."""
INPUT_SIGMA = {"low": 0.7, "mid": 1.0, "high": 1.4}
"""Spread of prompt lengths: the middle is measured in the Azure conversation trace of 2023 (0.99),
the ends are those of RAG desks and of mixed chats (traces named in the presets), as an interval."""
OUTPUT_SIGMA = {"low": 0.6, "mid": 0.9, "high": 1.3}
"""Spread of answer lengths, from the same sources (0.86)."""
_SAMPLED_REQUESTS = 60_000
_LEAST_SAMPLED = 2_000
_MOST_HOURS = 10_000
ANSWER_S, TOKEN_S = 0.5, 0.02
"""Times to the first and to each further token of the draws by which lengths are scaled."""
_ROUNDS = 5
_MOST_NAME_CHARS = 60


def usage_workloads(fit: UsageFit) -> tuple[TrafficSection, ...]:
    """Return the traffic sections of a usage export."""
    names = _names([(w.model, w.project, w.tier) for w in fit.workloads])
    return tuple(
        _usage_workload(name, workload) for name, workload in zip(names, fit.workloads, strict=True)
    )


def _usage_workload(name: str, workload: UsageWorkload) -> TrafficSection:
    section: dict[str, Any] = {
        "kind": "simple",
        "requests_per_month": _rounded(workload.requests_per_month, 7),
        "input_tokens": _rounded(workload.input_tok, 7),
        "output_tokens": _rounded(workload.completion_tok, 7),
    }
    if workload.reasoning_tok > 0:
        section["reasoning_tokens"] = _rounded(workload.reasoning_tok, 6)
    cached, written = workload.cached_share, workload.written_share
    if cached > 0:
        section["cached_share"] = _rounded(cached, 5)
    if cached > 0 and written > 0:
        # What is written once is read by the later requests of its session.
        section["requests_per_session"] = _rounded((cached + written) / written, 5)
    assumed = []
    for key, measured, spread in (
        ("input_sigma", workload.input_sigma, INPUT_SIGMA),
        ("output_sigma", workload.output_sigma, OUTPUT_SIGMA),
    ):
        known = not math.isnan(measured)
        section[key] = _rounded(measured, 3) if known else dict(spread)
        assumed += [] if known else [key]
    section |= _shape(workload.profile)
    is_batch = workload.tier in BATCH_TIERS
    if is_batch:
        section["deadline_hours"] = 24
    about = [
        f"{workload.requests:,.0f} calls of {workload.model or 'a model that is not named'}"
        + (f" in project {workload.project}" if workload.project else "")
        + (f", tier {workload.tier}" if workload.tier else "")
        + ".",
        "Volume and means are those of the export.",
        _shape_source(workload.profile),
    ]
    if assumed:
        about.append(
            f"Sums cannot tell how lengths vary: {' and '.join(assumed)} are assumed, as intervals."
        )
    if math.isnan(cached):
        about.append("The export does not tell cached tokens: no prompt is assumed to share any.")
    return TrafficSection(
        name=name,
        model=workload.model,
        provider=workload.provider,
        section=section,
        about=" ".join(about),
        is_batch=is_batch,
        written_share=0.0 if math.isnan(written) else written,
    )


def noise_of(profile: Profile) -> dict[int, float]:
    """Return the noise of the rate by time scale [s], as measured, and assumed below a bucket."""
    assumed = load_preset(NOISE_PRESET).data["sessions"]["rate_cv"]
    noise = rate_noise(profile.excess, {int(s): float(cv) for s, cv in assumed.items()})
    return {scale: _rounded(cv, 3) for scale, cv in noise.items()}


def _shape(profile: Profile) -> dict[str, Any]:
    """Return the weekly shape and the noise of the rate."""
    shape: dict[str, Any] = {"rate_cv": noise_of(profile)}
    if profile.hours_known or profile.days_known:
        shape["week"] = [_rounded(v, 4) for v in profile.week.tolist()]
    else:
        shape["week"] = "azure-conversation"
    return shape


def _shape_source(profile: Profile) -> str:
    growth = ""
    if not math.isnan(profile.growth_per_month):
        growth = (
            f" Weekly totals changed by {profile.growth_per_month:+.1%} a month "
            f"(+-{Z_90 * profile.growth_error:.1%}), which is not in the volume."
        )
    if profile.hours_known and profile.days_known:
        return "The hours of the week are those of the export." + growth
    if profile.hours_known:
        return "The hours of the day are those of the export; its days are assumed equal." + growth
    if profile.days_known:
        return (
            "The days of the week are those of the export; the hours of the day are assumed as in "
            "Azure's conversations." + growth
        )
    return "The shape of the week is assumed as in Azure's conversations." + growth


def log_workloads(found: Sequence[LogWorkload]) -> tuple[TrafficSection, ...]:
    """Return the traffic sections that resemble the workloads of a log."""
    names = _names([(w.name, "", "") for w in found])
    return tuple(_log_workload(name, w) for name, w in zip(names, found, strict=True))


def _log_workload(name: str, log: LogWorkload) -> TrafficSection:
    per_month = log.requests * MONTH_S / log.span_s
    section: dict[str, Any] = {
        "kind": "sessions",
        "requests_per_month": _rounded(per_month, 7),
        "turns": 1,
        "gap_s": 0,
        "system_prompt_tokens": round(log.shared_tok * min(1.0, log.shared_share)),
        "message_tokens": 1,
        "output_tokens": 0,
        "max_output_tokens": max(1, log.longest_completion_tok),
        "max_prompt_tokens": log.longest_prompt_tok,
    }
    if log.turns is not None and log.gap_s is not None:
        section["turns"] = _turns(log.turns)
        section["gap_s"] = _amount(log.gap_s, 1.0)
    if abs(log.correlation) >= 0.05:
        section["input_output_correlation"] = _rounded(log.correlation, 3)
    if log.reasoning_share > 0:
        section["reasoning_share"] = _rounded(log.reasoning_share, 4)
    if np.isfinite(log.deadline_s):
        section["deadline_hours"] = _rounded(log.deadline_s / HOUR_S, 4)
    section |= _shape(log.profile)
    lengths, reused = _scaled_lengths(section, log)
    section |= lengths
    about = (
        f"{log.requests:,} requests of a log of {log.span_s / HOUR_S:.1f} hours. Volume, lengths, "
        "turns and pauses are those of the log. A cache that forgets nothing would serve "
        f"{reused:.0%} of these prompts' tokens, and {log.reused_share:.0%} of those of the log. "
        + _shape_source(log.profile)
    )
    return TrafficSection(
        name, section, about, log.name, is_batch=bool(np.isfinite(log.deadline_s))
    )


def _scaled_lengths(section: dict[str, Any], log: LogWorkload) -> tuple[dict[str, Any], float]:
    """Return the lengths and the share of stable sessions at which a draw has the log's means.

    The second value is the reused share of that draw.
    """
    message, output, stable = 1.0, 1.0, log.stable_share
    lengths: dict[str, Any] = {}
    reused = 0.0
    requests = min(_SAMPLED_REQUESTS, max(_LEAST_SAMPLED, log.requests))
    for _ in range(_ROUNDS):
        lengths = {
            "message_tokens": _amount(log.message_tok or log.first_tok, message),
            "output_tokens": _amount(log.output_tok, output) if log.completion_tok else 0,
            "stable_session_share": _rounded(stable, 4),
        }
        if log.message_tok is not None:
            lengths["first_message_tokens"] = _amount(log.first_tok, message)
        prompt, completion, reused = _drawn({**section, **lengths}, requests)
        output *= log.completion_tok / completion if completion else 1.0
        fixed = section["system_prompt_tokens"]
        message *= max(0.05, log.input_tok - fixed) / max(0.05 * prompt, prompt - fixed)
        stable = min(1.0, stable * log.reused_share / reused) if reused else 1.0
    return lengths, reused


def _drawn(section: dict[str, Any], requests: int) -> tuple[float, float, float]:
    """Return mean prompt and completion tokens and the reused share of a draw of a workload."""
    spec = section_workload("fitted", {**section, "week": "flat", "rate_cv": {}})
    hours = math.ceil(requests / (section["requests_per_month"] / MONTH_HOURS))
    table = generate((spec,), 1, end_s=min(hours, _MOST_HOURS) * HOUR_S)
    log = collect([recorded(table, ANSWER_S, TOKEN_S)], ["fitted"])
    share = reuse(log.tree, log.prefix_node, log.rows.input_tokens, log.rows.at_s).share
    return float(table.input_tokens.mean()), float(table.completion_tokens.mean()), share


def _turns(turns: Described) -> Any:
    return {"mean": _rounded(turns.mean, 4)} if not turns.quantiles else _amount(turns, 1.0)


def _amount(described: Described, factor: float) -> Any:
    """Return quantiles, scaled, as an amount; a constant if all are equal."""
    values = list(described.quantiles.values())
    if values[0] == values[-1]:
        return _rounded(values[0] * factor, 5)
    points = {f"p{100 * q:g}": _rounded(v * factor, 4) for q, v in described.quantiles.items()}
    return {"quantiles": points, "most": math.ceil(described.most * factor)}


def _names(parts: Sequence[tuple[str, str, str]]) -> list[str]:
    """Return different names of workloads, from models, projects and tiers where they differ."""
    differing = [len({part[n] for part in parts}) > 1 for n in range(3)]
    names: list[str] = []
    for part in parts:
        words = [
            p for p, shown in zip(part, differing, strict=True) if p and (shown or p == part[0])
        ]
        base = re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower())[:_MOST_NAME_CHARS]
        base = base.strip("-") or "calls"
        name, number = base, 2
        while name in names:
            name, number = f"{base}-{number}", number + 1
        names.append(name)
    return names


def _rounded(value: float, digits: int) -> float:
    """Return a number with some significant digits, without a decimal point if it is whole."""
    number = float(f"{value:.{digits}g}")
    return int(number) if number.is_integer() else number
