"""Answers for a new scenario from a source, with cached tokens matched to what it counts.

How much of a prompt a provider's cache serves depends on its rule, on the volume and on the pauses.
The share with which a workload is written is therefore changed until a simulation of its calls
counts the cached tokens of the export.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

from simulator.errors import InputError
from simulator.pricing.book import SNAPSHOT_DATE
from simulator.report.formatting import counted
from simulator.scenario.building.study import load_document
from simulator.scenario.document.document import Document
from simulator.scenario.starter.answers import Answers
from simulator.scenario.starter.serving_offers import ServingOffer, serving_offers
from simulator.scenario.starter.sources import read_source
from simulator.scenario.starter.traffic_text import TrafficSection

PRECISION = 0.005
"""Relative difference of cached tokens that is accepted."""
_ROUNDS = 8
_MOST_SHARE = 0.995
_MOST_REQUESTS = 400.0
"""Most requests of a session that are tried."""
_SAMPLE_REQUESTS = 100_000


@dataclass(frozen=True, slots=True)
class _Served:
    """Shares of prompt tokens that a simulated cache served and wrote."""

    read: float
    written: float


def measured_answers(
    answers: Answers, source: str, mean_input_tok: float | None
) -> tuple[Answers, tuple[str, ...]]:
    """Return answers with the workloads of a source and the offers that serve them, and notes.

    Raises
    ------
    InputError
        If the source cannot be read, or no offer is asked for and none serves its workloads.
    """
    found = read_source(source, mean_input_tok=mean_input_tok)
    day = datetime.combine(SNAPSHOT_DATE, time(), UTC)
    served_by, reasons = serving_offers(found.workloads, day.timestamp())
    unserved = [f"no offer serves {reason}" for reason in reasons]
    if not answers.offers and len(served_by) < len(found.workloads):
        raise InputError(*(f"{reason}; give --offer" for reason in unserved))
    start = (day - timedelta(days=day.weekday())).date().isoformat()
    workloads = match_cached_shares(found.workloads, served_by, start)
    read = f"{found.source}: {found.format}, {counted(len(workloads), 'workload')}"
    notes = (read, *found.notes, *found.remarks, *unserved)
    return replace(answers, workloads=workloads, served_by=served_by), notes


def match_cached_shares(
    workloads: Sequence[TrafficSection], offers: Mapping[str, ServingOffer], start: str
) -> tuple[TrafficSection, ...]:
    """Return the workloads with shares at which simulated calls have the cached tokens.

    Parameters
    ----------
    workloads : sequence of TrafficSection
        Workloads as fitted.
    offers : mapping
        Offer that serves each workload, by the workload's name, for those that can be simulated.
    start : str
        First simulated day, a Monday.
    """
    return tuple(
        _matched(w, offers[w.name], start)
        if w.name in offers and w.section.get("cached_share", 0) > 0
        else w
        for w in workloads
    )


def _matched(workload: TrafficSection, offer: ServingOffer, start: str) -> TrafficSection:
    wanted = _Served(workload.section["cached_share"], workload.written_share)
    section = dict(workload.section)
    best, error, best_served = section, math.inf, wanted
    for _ in range(_ROUNDS):
        served = _simulated(section, offer, start)
        off = _error(served, wanted)
        if off < error:
            best, error, best_served = section, off, served
        if off <= PRECISION:
            break
        section = _corrected(section, served, wanted)
    note = ""
    if best is not workload.section:
        note = (
            f" In the export {wanted.read:.1%} of prompt tokens are cached; cached_share is what "
            f"the simulated cache of {offer.offer} needs to serve {best_served.read:.1%}."
        )
    return replace(workload, section=best, about=workload.about + note)


def _error(served: _Served, wanted: _Served) -> float:
    """Return the largest relative difference of cached and written tokens."""
    errors = [abs(served.read / wanted.read - 1)]
    if wanted.written > 0:
        errors.append(abs(served.written / wanted.written - 1))
    return max(errors)


def _corrected(section: dict[str, Any], served: _Served, wanted: _Served) -> dict[str, Any]:
    """Return the section with shares that should serve what is wanted."""
    share, turns = section["cached_share"], section.get("requests_per_session", 1.0)
    if wanted.written > 0 and served.read > 0 and served.written > 0:
        # Of the marked tokens, the written part falls with the requests of a session.
        part, goal = (s.written / (s.read + s.written) for s in (served, wanted))
        turns = min(_MOST_REQUESTS, max(1.01, turns * part / goal))
        scale = (wanted.read + wanted.written) / (served.read + served.written)
        stable = min(1.0, share / (1 - 1 / section["requests_per_session"]) * scale)
        return {
            **section,
            "cached_share": _digits(stable * (1 - 1 / turns)),
            "requests_per_session": _digits(turns),
        }
    raised = share * wanted.read / max(served.read, 0.02 * wanted.read)
    if raised > _MOST_SHARE or served.read < 0.3 * wanted.read:
        # Calls are too rare for a beginning that all share: only sessions find it in the cache.
        turns = max(2.0, 1.5 * turns, 1.1 / (1 - wanted.read))
        return {
            **section,
            "cached_share": _digits(min(wanted.read, 1 - 1 / turns)),
            "requests_per_session": _digits(min(turns, _MOST_REQUESTS)),
        }
    return {**section, "cached_share": _digits(raised)}


def _digits(value: float) -> float:
    return float(f"{value:.5g}")


def _simulated(section: dict[str, Any], offer: ServingOffer, start: str) -> _Served:
    """Return what the cache of an offer serves of a workload's prompts in a week."""
    from simulator.analysis.decide.verdict import simulate_as_written

    data = {
        "schema_version": 1,
        "name": "match",
        "start": start,
        "traffic": {"calls": section},
        "slo": {"e2e_s": 1e6},
        "options": {
            "api": {
                "kind": "api",
                "offer": offer.offer,
                "behaves_like": offer.behaves_like,
                "served_as": "batch" if "deadline_hours" in section else "standard",
            },
        },
        "people": {
            "engineers_fte": 0, "engineer_usd_per_year": 0, "tooling_usd_per_month": 0,
        },
        "analysis": {"sample_requests": _SAMPLE_REQUESTS},
    }  # fmt: skip
    study = load_document(Document(Path("export"), data)).study
    (result,) = simulate_as_written(study)
    tokens = result.evaluation.outcome.tokens
    prompt = tokens["uncached_input"] + tokens["cache_read"] + tokens["cache_write"]
    return _Served(tokens["cache_read"] / prompt, tokens["cache_write"] / prompt)
