"""The quickstart's answer moves the right way when its inputs change through settings."""

from functools import cache
from typing import Any

import pytest

from simulator.analysis.decide.verdict import decide, size_options
from simulator.analysis.study.effort import with_effort_level
from simulator.analysis.study.study import Study
from simulator.report.documents.document import option_document, verdict_document
from simulator.report.documents.tidy import cheapest
from simulator.scenario.building.study import load_study

# The quickstart itself, with a coarser sample and three volumes so that a run takes a few seconds.
FAST = (
    "analysis.sample_requests=6000",
    "analysis.volumes=[0.3,1]",
    "analysis.worlds=64",
)


pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("direction")]  # they share answers


def study(settings: tuple[str, ...]) -> Study:
    return with_effort_level(load_study("quickstart", [*FAST, *settings]))


@cache
def answer(*settings: str) -> dict[str, Any]:
    return verdict_document(decide(study(settings)))


@cache
def sized(*settings: str) -> dict[str, Any]:
    """The options alone, without the break-even and all else that takes most of the time."""
    asked = study(settings)
    return {"options": [option_document(each, asked) for each in size_options(asked).results]}


def total(document: dict[str, Any], name: str) -> float:
    option = next(o for o in document["options"] if o["name"] == name)
    return sum(option["cost_breakdown_usd_per_month"].values())


def option(document: dict[str, Any], name: str) -> dict[str, Any]:
    return next(o for o in document["options"] if o["name"] == name)


def owns(document: dict[str, Any]) -> bool:
    best = cheapest(document["options"])
    assert best is not None
    return best["kind"] in ("selfhost", "hybrid")


def test_more_traffic_favours_owning() -> None:
    little = sized("traffic.support.requests_per_month=1000000")
    much = sized("traffic.support.requests_per_month=30000000")
    assert not owns(little)
    assert owns(much)
    for name in ("frontier-api", "hosted-llama"):
        # An API's bill grows with the volume, and a little slower: caches get warmer.
        assert 20 < total(much, name) / total(little, name) < 32
    assert total(much, "own-h100") < 5 * total(little, "own-h100")


def test_api_price_moves_the_answer() -> None:
    settings = [f"options.{o}.price_multiplier=0.2" for o in ("frontier-api", "hosted-llama")]
    cheap = answer(*settings)
    base = answer()
    assert owns(base)
    assert not owns(cheap)
    assert total(cheap, "frontier-api") == pytest.approx(0.2 * total(base, "frontier-api"))
    assert total(cheap, "own-h100") == total(base, "own-h100")
    first = cheap["break_even"]["first"]
    assert first is None or first > base["break_even"]["first"]


def test_gpu_rent_moves_the_answer() -> None:
    base = answer()
    dear = sized("options.own-h100.rent_usd_per_gpu_hour=20")
    free = answer("options.own-h100.rent_usd_per_gpu_hour=0.5")
    assert not owns(dear)
    assert owns(free)
    assert total(free, "own-h100") < total(base, "own-h100") < total(dear, "own-h100")
    assert total(dear, "frontier-api") == total(base, "frontier-api")
    assert free["break_even"]["first"] < base["break_even"]["first"]


def test_stable_prefixes_help_those_who_cache() -> None:
    base = answer()
    unstable = sized("traffic.support.stable_session_share=0")
    assert option(unstable, "frontier-api")["tokens"]["cache_read"] == 0
    assert option(unstable, "own-h100")["tokens"]["cache_read"] == 0
    assert total(unstable, "hosted-llama") > 1.3 * total(base, "hosted-llama")
    assert total(unstable, "frontier-api") > 1.5 * total(base, "frontier-api")
    busier = option(unstable, "own-h100")["replicas"]["mean"]
    assert busier > option(base, "own-h100")["replicas"]["mean"]


def test_caching_switched_off_costs_more() -> None:
    base, off = answer(), sized("options.frontier-api.caching=never")
    assert total(off, "frontier-api") > total(base, "frontier-api")
    assert option(off, "frontier-api")["tokens"]["cache_read"] == 0


def test_stricter_slo_takes_more_replicas() -> None:
    base = answer()
    strict = answer("slo.tpot_s=0.02")
    loose = sized("slo.tpot_s=0.5", "slo.ttft_s=30")
    replicas = [option(a, "own-h100")["replicas"]["mean"] for a in (strict, base, loose)]
    assert replicas[0] > replicas[1] >= replicas[2]
    first = strict["break_even"]["first"]
    assert first is None or first > base["break_even"]["first"]


def test_engineers_cost_owners_only() -> None:
    base = answer()
    more = sized("people.engineers_fte=3")
    assert total(more, "own-h100") - total(base, "own-h100") == pytest.approx(2.5 * 210000 / 12)
    assert total(more, "hosted-llama") == total(base, "hosted-llama")
    assert not owns(more)
