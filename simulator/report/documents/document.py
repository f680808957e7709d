"""The result document: what ``--output json`` prints and ``result.json`` holds."""

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.commands.replications import Replications
from simulator.analysis.decide.breakeven import BreakEven
from simulator.analysis.decide.verdict import OptionResult, Verdict
from simulator.analysis.sampling.statistics import Estimate
from simulator.analysis.simulate.evaluate import Evaluation
from simulator.analysis.size.judging import is_collapsed
from simulator.analysis.size.kinds.contract import kind_of
from simulator.analysis.study.effort import LEVELS
from simulator.analysis.study.study import Effort, Study
from simulator.analysis.views.report_views import Views
from simulator.normal import Z_90
from simulator.report.documents.contract import (
    BreakEvenSection,
    EffortSection,
    HybridSection,
    OptionDocument,
    OptionsDocument,
    PartSection,
    ResultDocument,
    SamplingSection,
    SavingSection,
    Spread,
)
from simulator.report.documents.horizon import over_time_document
from simulator.report.documents.values import (
    finite_or_none,
    percentiles,
    quantiles,
    slo_document,
    view_sections,
)
from simulator.report.documents.warnings import decided_by, warnings
from simulator.units import HOUR_S, MONTH_S, MTOK

SCHEMA_VERSION = 1


def verdict_document(verdict: Verdict, views: Views | None = None) -> ResultDocument:
    """Return the document of a full run, with the views simulated for its report."""
    study = verdict.study
    document = _verdict(verdict, views)
    document["verdict"]["decided_by"] = decided_by(document)
    document["warnings"] = warnings(document, study.traffic.horizon_s)
    return document


def _verdict(verdict: Verdict, views: Views | None) -> ResultDocument:
    """Return the document before anything is judged by its own figures."""
    study = verdict.study
    alternative, standing = verdict.runner_up, verdict.winner.standing
    today = study.traffic.requests_per_s * MONTH_S
    timelines, cache_map = view_sections(views, today)
    return {
        "schema_version": SCHEMA_VERSION,
        "scenario": study.name,
        "seed": study.seed,
        "as_of": datetime.fromtimestamp(study.epoch_s, UTC).date().isoformat(),
        "options": [option_document(r, study) for r in verdict.results],
        "verdict": {
            "winner": verdict.winner.name,
            "runner_up": alternative.name if alternative else None,
            "other_kind": _other_kind(verdict),
            "saving": finite_or_none(verdict.saving),
            "saving_interval": list(verdict.saving_interval) if verdict.saving_interval else None,
            "probability_best": standing.probability_best if standing else None,
            "least_regret": verdict.least_regret.name if verdict.least_regret else None,
            "disqualified": _disqualified(verdict),
            "decided_by": [],
        },
        "break_even": _break_even(verdict.break_even, study),
        "over_time": over_time_document(verdict.horizon, today) if verdict.horizon else None,
        "hybrid": _hybrid(verdict),
        "drivers": [
            {
                "name": d.name,
                "advantage_usd_per_month_low": d.low_usd,
                "advantage_usd_per_month_high": d.high_usd,
                "swing_usd_per_month": d.swing_usd,
                "sobol_first_order": finite_or_none(d.first_order),
                "sobol_total": finite_or_none(d.total),
            }
            for d in verdict.drivers
        ],
        "flips": [
            {
                "name": f.name,
                "factor": f.factor,
                "value": finite_or_none(f.value),
                "unit": f.unit,
                "winner": f.winner,
            }
            for f in verdict.switching_values
        ],
        "effort": _effort(study.effort),
        "slo": slo_document(study.slo),
        "timelines": timelines,
        "cache_map": cache_map,
        "provenance": study.provenance,
        "notes": list(study.notes),
        "warnings": [],
    }


def _effort(effort: Effort) -> EffortSection:
    """Return how much work the answer took, and which level of effort repeats it."""
    return {
        "level": effort.level,
        "of": LEVELS,
        "sample_requests": effort.sample_requests,
        "spans": effort.spans,
        "volumes": len(set(effort.volumes)),
        "flips_simulated": effort.simulated_switching_values,
    }


def _disqualified(verdict: Verdict) -> list[SavingSection]:
    """Return options that would be cheaper than the winner if they met the targets."""
    winner_usd = verdict.winner.total_usd
    return [
        {"name": result.name, "saving": 1 - result.total_usd / winner_usd}
        for result in sorted(verdict.results, key=lambda r: r.total_usd)
        if result.excuse is not None and result.total_usd < winner_usd
    ]


def _other_kind(verdict: Verdict) -> SavingSection | None:
    """Return the cheapest option of another kind, and the winner's saving against it."""
    other = verdict.other_kind
    if other is None:
        return None
    above = 1 - verdict.winner.total_usd / other.total_usd if other.total_usd else 0.0
    return {"name": other.name, "saving": above}


def simulation_document(results: tuple[OptionResult, ...], study: Study) -> OptionsDocument:
    """Return the document of ``simulate``: the options alone."""
    return {"options": [option_document(r, study) for r in results]}


def replications_document(replications: Replications, study: Study) -> OptionsDocument:
    """Return the document of ``simulate`` with replications: options with their precision."""
    document = simulation_document(replications.results, study)
    for option in document["options"]:
        figures = replications.options[option["name"]]
        cost = figures.cost_usd
        option["cost_usd_per_month"] = {
            "mean": cost.mean,
            "low": finite_or_none(cost.low),
            "high": finite_or_none(cost.high),
        }
        option["replications"] = {
            "count": replications.count,
            "precision": replications.precision,
            "reached": replications.reached,
            "slo_attainment": _interval(figures.attainment),
            "above_cheapest_usd_per_month": _interval(figures.above_cheapest_usd),
        }
    return document


def _interval(estimate: Estimate) -> Spread:
    return {
        "mean": estimate.mean,
        "low": finite_or_none(estimate.low),
        "high": finite_or_none(estimate.high),
    }


def option_document(result: OptionResult, study: Study) -> OptionDocument:
    """Return one option's entry."""
    evaluation, standing = result.evaluation, result.standing
    outcome = evaluation.outcome
    total = result.total_usd
    tokens = outcome.tokens_per_month
    success_rate = kind_of(evaluation.option).correctness(evaluation, study.quality)
    completed = outcome.requests["completed"] * outcome.month_factor / evaluation.calls_per_request
    correct = completed * success_rate if success_rate else 0.0
    return {
        "name": result.name,
        "kind": result.option.kind,
        "feasible": result.excuse is None,
        "excuse": result.excuse.reason if result.excuse else None,
        "remedies": [
            {
                "kind": remedy.kind,
                "text": remedy.text,
                "cost_usd_per_month": remedy.usd,
                "replicas": remedy.evaluation.size.replicas,
                "spill_in_flight": remedy.evaluation.size.spill_in_flight or None,
            }
            for remedy in result.remedies
        ],
        "chosen": _chosen(result),
        "collapsed_to": _collapsed_to(evaluation),
        "rejected": [{"candidate": e.option, "reason": e.reason} for e in result.rejected],
        "parts": [_part(part) for part in evaluation.parts],
        "success_rate": success_rate,
        "calls_per_request": evaluation.calls_per_request,
        "cost_usd_per_month": _cost_interval(result),
        "cost_breakdown_usd_per_month": result.cost_usd,
        "probability_best": standing.probability_best if standing else None,
        "expected_regret_usd_per_month": finite_or_none(standing.regret_usd) if standing else None,
        "usd_per_mtok": finite_or_none(total / (tokens / MTOK)) if tokens else None,
        "usd_per_correct": finite_or_none(total / correct) if correct else None,
        "requests": outcome.requests,
        "requests_per_month": outcome.requests["offered"] * outcome.month_factor,
        "tokens": {
            "uncached_input": outcome.tokens["uncached_input"],
            "cache_read": outcome.tokens["cache_read"],
            "cache_write": outcome.tokens["cache_write"],
            "output": outcome.tokens["output"],
            "reasoning": outcome.tokens["reasoning"],
        },
        "slo_attainment": outcome.attainment,
        "ttft_s": percentiles(outcome.ttft_s),
        "tpot_s": percentiles(outcome.tpot_s),
        "e2e_s": percentiles(outcome.e2e_s),
        "latency_quantiles": {
            "ttft_s": quantiles(outcome.ttft_s),
            "tpot_s": quantiles(outcome.tpot_s),
            "e2e_s": quantiles(outcome.e2e_s),
        },
        "replicas": {
            "mean": sum(replicas for _, replicas in evaluation.owned),
            "max": sum(outcome.max_replicas) + sum(d.spare_replicas for d, _ in evaluation.owned),
        },
        "served_by": outcome.served_by,
        "attempts": outcome.attempts,
        "spill_in_flight": evaluation.size.spill_in_flight or None,
        "utilisation": finite_or_none(outcome.utilisation),
        "preemptions": outcome.preemptions,
        "restarts": outcome.restarts,
        "self_hosted_share": outcome.self_hosted_share,
        "sampling": _sampling(evaluation, total),
        "simulated_hours": outcome.counted_s / HOUR_S,
    }


def _sampling(evaluation: Evaluation, total_usd: float) -> SamplingSection:
    """Return half-widths of 90 % intervals; that of the cost as a share of the total cost."""
    sampling = evaluation.outcome.sampling
    calls_usd = sum(evaluation.outcome.api_usd.values())
    share = calls_usd / total_usd if total_usd else 0.0
    return {
        "windows": sampling.windows,
        "scale": sampling.scale,
        "why_whole": sampling.why_whole,
        "cost_error": finite_or_none(sampling.calls.half * share) if share else 0.0,
        "attainment_error": finite_or_none(sampling.attainment.half),
        "other_horizons_cost_error": finite_or_none(Z_90 * sampling.calls.sd * share),
        "other_horizons_attainment_error": finite_or_none(Z_90 * sampling.attainment.sd),
    }


def _collapsed_to(evaluation: Evaluation) -> str | None:
    """Return the option to which a hybrid leaves everything because no split pays off."""
    return evaluation.parts[0].option.name if is_collapsed(evaluation) else None


def _chosen(result: OptionResult) -> str | None:
    """Return the candidate of a choice; None if everything goes to one side of a hybrid."""
    evaluation = result.evaluation
    is_candidate = evaluation.option.name != result.name and not evaluation.parts
    return evaluation.option.name if is_candidate else None


def _part(part: Evaluation) -> PartSection:
    """Return the figures of one part of a composite option."""
    outcome = part.outcome
    return {
        "name": part.option.name,
        "workloads": list(part.workloads),
        "replicas": part.size.replicas,
        "requests": outcome.requests["offered"],
        "utilisation": finite_or_none(outcome.utilisation),
        "cost_usd_per_month": sum(part.calls_usd.values()) + part.hardware_usd,
    }


def _cost_interval(result: OptionResult) -> Spread:
    """Return mean, 5 % and 95 % quantile of the cost over feasible draws, else its likely value."""
    usd = result.world_usd[np.isfinite(result.world_usd)]
    if not len(usd):
        return {"mean": finite_or_none(result.total_usd), "low": None, "high": None}
    low, high = np.quantile(usd, [0.05, 0.95])
    return {"mean": float(usd.mean()), "low": float(low), "high": float(high)}


def _break_even(break_even: BreakEven | None, study: Study) -> BreakEvenSection | None:
    if break_even is None:
        return None
    axis = break_even.axis
    today = study.traffic.requests_per_s * MONTH_S
    unit = today if axis is None else 1.0

    def known(multiple: float | None) -> float | None:
        return None if multiple is None else multiple * unit

    miss = break_even.nearest_miss
    return {
        "axis": "volume" if axis is None else axis.path,
        "unit": "requests/month" if axis is None else axis.path.rsplit(".", 1)[-1],
        "current": today if axis is None else axis.current,
        "first": known(break_even.first),
        "first_interval": [known(v) for v in break_even.first_interval],
        "permanent": known(break_even.permanent),
        "intervals": [[a * unit, b * unit] for a, b in break_even.wins],
        "scanned": [break_even.curve[0].volume * unit, break_even.curve[-1].volume * unit],
        "probability_self_host_wins": [[v * unit, p] for v, p in break_even.probability],
        "probability_best": [[v * unit, chances] for v, chances in break_even.probability_best],
        "required_utilisation": finite_or_none(break_even.required_utilisation),
        "required_load_share": finite_or_none(break_even.loads[0]),
        "current_load_share": finite_or_none(break_even.loads[1]),
        "nearest_miss": {"at": miss[0] * unit, "dearer_share": miss[1]} if miss else None,
        "api_meets_targets": _any_feasible(break_even, study, "api"),
        "own_meets_targets": _any_feasible(break_even, study, "selfhost"),
        "stairs": {
            name: [[at * unit, finite_or_none(usd)] for at, usd in line.tolist()]
            for name, line in break_even.stairs.items()
        },
        "curve": [
            {
                "volume": point.volume * unit,
                "cost_usd_per_month": {n: finite_or_none(c) for n, c in point.likely_usd.items()},
                "cost_band_usd_per_month": {n: _band(c) for n, c in point.world_usd.items()},
                "replicas": point.replicas,
            }
            for point in break_even.curve
        ],
    }


def _any_feasible(break_even: BreakEven, study: Study, kind: str) -> bool:
    """Whether any option of a kind meets the targets at any point of the curve."""
    names = [option.name for option in study.options if option.kind == kind]
    return any(np.isfinite(point.likely_usd[name]) for point in break_even.curve for name in names)


def _band(world_usd: NDArray[np.float64]) -> list[float] | None:
    """Return the 90 % interval over draws that meet the targets; None if fewer than half do."""
    usd = world_usd[np.isfinite(world_usd)]
    if 2 * len(usd) < len(world_usd):
        return None
    return [float(end) for end in np.quantile(usd, [0.05, 0.95])]


def _hybrid(verdict: Verdict) -> HybridSection | None:
    hybrids = [r for r in verdict.results if r.option.kind == "hybrid" and not r.excuse]
    hybrids = [r for r in hybrids if not is_collapsed(r.evaluation)] or hybrids
    if not hybrids:
        return None
    best = min(hybrids, key=lambda r: r.total_usd)
    size = best.evaluation.size
    return {
        "name": best.name,
        "rule": kind_of(best.evaluation.option).rule(best.evaluation),
        "replicas": size.replicas,
        "spill_in_flight": size.spill_in_flight,
        "self_hosted_share": best.evaluation.outcome.self_hosted_share,
    }
