"""Warnings about the data and the precision of an answer."""

from datetime import date, timedelta
from typing import Any

from simulator.pricing.book import SNAPSHOT_DATE
from simulator.report.formatting import share
from simulator.units import HOUR_S, WEEK_S

_UNPUBLISHED = ("assumed", "hypothetical")
OLD = timedelta(days=90)
"""Age of prices that is warned of: they change within a quarter."""


def warnings(document: dict[str, Any], horizon_s: float) -> list[str]:
    """Return warnings as sentences, the most serious first.

    Parameters
    ----------
    document : dict
        The result document without its warnings.
    horizon_s : float
        Length of the traffic that was simulated, or from which spans were sampled [s].
    """
    sentences = [*_contest(document), *_sampling(document), *_inputs(document)]
    if horizon_s < WEEK_S:
        hours = horizon_s / HOUR_S
        sentences.append(
            f"the traffic covers only {hours:.0f} hours: daily and weekly patterns are missing"
        )
    return sentences


def decided_by(document: dict[str, Any]) -> list[str]:
    """Return the inputs, neither measured nor published, that may change the verdict.

    Parameters
    ----------
    document : dict
        The result document without its warnings.
    """
    verdict, provenance = document["verdict"], document["provenance"]
    inputs = []
    ends_usd = [
        (driver["advantage_usd_per_month_low"], driver["advantage_usd_per_month_high"])
        for driver in document["drivers"]
        if driver["name"] == "serving speed"
    ]
    predicted = any("zero-shot" in source for source in provenance["hardware"].values())
    if predicted and any(min(ends) < 0 for ends in ends_usd):
        inputs.append("a predicted serving speed")
    other = (verdict["other_kind"] or {}).get("name")
    contest = {verdict["winner"], verdict["runner_up"], other}
    offers = {
        endpoint.split(" (")[0]
        for option in document["options"]
        if option["name"] in contest
        for endpoint in option["served_by"]
    }
    for offer in sorted(offers & set(provenance["prices"])):
        rates = provenance["prices"][offer].partition("rates:")[2].partition(";")[0]
        if any(word in rates for word in _UNPUBLISHED):
            inputs.append(f"an assumed price of {offer}")
    return inputs


def _contest(document: dict[str, Any]) -> list[str]:
    verdict = document["verdict"]
    interval = verdict["saving_interval"]
    sentences = []
    if interval and interval[0] < 0:
        sentences.append(
            f"{verdict['runner_up']} is cheaper than {verdict['winner']} in some draws: "
            f"the saving may be {share(interval[0])}"
        )
    if verdict["probability_best"] < 0.5:
        sentences.append(f"{verdict['winner']} is the cheapest in fewer than half of the draws")
    return sentences


def _sampling(document: dict[str, Any]) -> list[str]:
    verdict, slo = document["verdict"], document["slo"]
    (winner,) = (o for o in document["options"] if o["name"] == verdict["winner"])
    sampling = winner["sampling"]
    if not sampling["windows"]:
        return []
    sentences = []
    if verdict["saving"] is not None and sampling["cost_error"] > abs(verdict["saving"]):
        sentences.append(
            f"the saving is smaller than the sampling error ({sampling['cost_error']:.1%}): "
            "too close to call at this effort; raise analysis.sample_requests"
        )
    if winner["slo_attainment"] - slo["attainment"] < sampling["attainment_error"]:
        sentences.append(
            f"{winner['name']} meets its target by less than the sampling error "
            f"(+-{100 * sampling['attainment_error']:.1f} points): simulate the whole horizon with "
            "`--whole`"
        )
    return sentences


def _inputs(document: dict[str, Any]) -> list[str]:
    provenance = document["provenance"]
    sentences = []
    for option, source in sorted(provenance["hardware"].items()):
        if "zero-shot" in source:
            band = source.partition("throughput within ")[2]
            sentences.append(
                f"the speed of {option} is predicted, not measured (throughput within {band}): "
                "calibrate it with your own benchmark"
            )
    for offer, source in sorted(provenance["prices"].items()):
        parts = [part.strip() for part in source.replace(";", ",").split(",")]
        doubtful = [part for part in parts if any(word in part for word in _UNPUBLISHED)]
        if doubtful:
            sentences.append(f"some figures of {offer} are not published: {', '.join(doubtful)}")
    for workload, source in sorted(provenance["traffic"].items()):
        if source.startswith("generated"):
            sentences.append(f"the traffic of {workload} is generated: replay your own log")
    age = date.fromisoformat(document["as_of"]) - SNAPSHOT_DATE
    if abs(age) > OLD:
        sentences.append(
            f"prices are as of {SNAPSHOT_DATE}, {abs(age.days)} days from the scenario's start"
        )
    return sentences
