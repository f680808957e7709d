"""What a reader should know about the data before trusting an answer."""

from datetime import date, timedelta
from typing import Any

from simulator.pricing.book import SNAPSHOT_DATE
from simulator.report.formatting import share
from simulator.units import WEEK_S

_UNPUBLISHED = ("assumed", "hypothetical")
OLD = timedelta(days=90)
"""Prices move within a quarter."""


def warnings(document: dict[str, Any], horizon_s: float) -> list[str]:
    """Return sentences, the gravest first.

    Parameters
    ----------
    document : dict
        The result document without its warnings.
    horizon_s : float
        Length of the traffic that was simulated or stands behind the windows [s].
    """
    found = [*_contest(document), *_sampling(document), *_inputs(document)]
    if horizon_s < WEEK_S:
        hours = horizon_s / 3600
        found.append(f"traffic covers {hours:.0f} hours: days and weekends are not in it")
    return found


def decided_by(document: dict[str, Any]) -> list[str]:
    """Return the numbers, neither measured nor published, that may change the verdict.

    Parameters
    ----------
    document : dict
        The result document without its warnings.
    """
    verdict, provenance = document["verdict"], document["provenance"]
    found = []
    ends_usd = [
        (driver["advantage_usd_per_month_low"], driver["advantage_usd_per_month_high"])
        for driver in document["drivers"]
        if driver["name"] == "serving speed"
    ]
    predicted = any("zero-shot" in source for source in provenance["hardware"].values())
    if predicted and any(min(ends) < 0 for ends in ends_usd):
        found.append("a predicted serving speed")
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
            found.append(f"an assumed price of {offer}")
    return found


def _contest(document: dict[str, Any]) -> list[str]:
    verdict = document["verdict"]
    interval = verdict["saving_interval"]
    found = []
    if interval and interval[0] < 0:
        found.append(
            f"in some worlds {verdict['runner_up']} is cheaper than {verdict['winner']}: "
            f"the saving may be {share(interval[0])}"
        )
    if verdict["probability_best"] < 0.5:
        found.append(f"{verdict['winner']} is the cheapest in fewer than half of the worlds")
    return found


def _sampling(document: dict[str, Any]) -> list[str]:
    verdict, slo = document["verdict"], document["slo"]
    (winner,) = (o for o in document["options"] if o["name"] == verdict["winner"])
    known = winner["sampling"]
    if not known["windows"]:
        return []
    found = []
    if verdict["saving"] is not None and known["cost_error"] > abs(verdict["saving"]):
        found.append(
            f"the saving is smaller than the error of sampled spans ({known['cost_error']:.1%}): "
            "too close to call at this effort; raise analysis.sample_requests"
        )
    if winner["slo_attainment"] - slo["attainment"] < known["attainment_error"]:
        found.append(
            f"{winner['name']} meets its target by less than sampled spans know it "
            f"(+-{100 * known['attainment_error']:.1f} points): look at the whole horizon with "
            "`--whole`"
        )
    return found


def _inputs(document: dict[str, Any]) -> list[str]:
    provenance = document["provenance"]
    found = []
    for option, source in sorted(provenance["hardware"].items()):
        if "zero-shot" in source:
            band = source.partition("throughput within ")[2]
            found.append(
                f"the speed of {option} is predicted, not measured (throughput within {band}): "
                "calibrate it with a benchmark of yours"
            )
    for offer, source in sorted(provenance["prices"].items()):
        parts = [part.strip() for part in source.replace(";", ",").split(",")]
        doubtful = [part for part in parts if any(word in part for word in _UNPUBLISHED)]
        if doubtful:
            found.append(f"not all of {offer} is published: {', '.join(doubtful)}")
    for workload, source in sorted(provenance["traffic"].items()):
        if source.startswith("generated"):
            found.append(f"the traffic of {workload} is generated: replay a log of your own")
    age = date.fromisoformat(document["as_of"]) - SNAPSHOT_DATE
    if abs(age) > OLD:
        found.append(
            f"prices are of {SNAPSHOT_DATE}, {abs(age.days)} days from the scenario's start"
        )
    return found
