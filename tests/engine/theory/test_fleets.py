"""Fleets, rate limits and money against closed forms, written as scenarios."""

import csv
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from simulator.analysis.decide import breakeven
from simulator.analysis.decide import stairs as fleet_stairs
from simulator.analysis.decide.curve import VolumeCosts
from simulator.analysis.decide.stairs import Step
from simulator.analysis.sampling.sampler import Sampler
from simulator.analysis.size.carried import CapacityCurve
from simulator.analysis.study.options import SelfHostOption
from simulator.analysis.study.study import Study
from simulator.engine.ledger import FleetAccount, Ledger
from simulator.engine.records.layout import OWN, REJECTED
from tests.support.engine.theory import (
    FALSE_ALARM,
    STEP_S,
    erlang_b,
    queue,
    replicated,
    served,
    stationary,
    steady,
    study_of,
)

pytestmark = pytest.mark.slow

HOUR_S = 3600.0


def limited(rate_per_s: float, requests: int, limit: dict[str, Any]) -> dict[str, Any]:
    """A scenario with one API behind a limit, whose client takes no for an answer."""
    said = queue(rate_per_s, 1, requests)
    said["traffic"]["calls"]["max_output_tokens"] = 1000
    offer = "openai/gpt-6.1-terra"
    said["options"] = {"api": {"kind": "api", "offer": offer, "retries": 0, "limits": [limit]}}
    return said


@pytest.mark.parametrize("share", [0.25, 1.0, 3.0])
def test_a_steady_flood_gets_the_burst_and_then_the_rate(tmp_path: Path, share: float) -> None:
    """Ten calls a second for an hour: of those up to t, exactly ``burst + rate*t`` pass."""
    arrival_s = np.arange(36_000) / 10
    with (tmp_path / "flood.csv").open("w") as file:
        rows = csv.writer(file)
        rows.writerow(["arrival_s", "input_tokens", "output_tokens"])
        rows.writerows([t, 1000, 1] for t in arrival_s)
    # 120 in a minute; the bucket holds what comes in ``share`` minutes.
    limit = {"of": "requests", "amount": 120, "per": "minute", "burst_s": 60 * share}
    said = limited(1.0, 3600, limit)
    said["traffic"] = {"flood": {"kind": "replay", "path": "flood.csv", "format": "canonical"}}
    ledger = served(study_of(tmp_path, said), "api", horizon_s=1e5)
    room = 120 * share + 2 * arrival_s
    expected = np.minimum(np.arange(36_000) + 1, np.floor(room + 1e-6))
    np.testing.assert_array_equal(np.cumsum(ledger.completed), expected)


def by_recursion(arrival_s: np.ndarray, demand: np.ndarray, rate: float, most: float) -> np.ndarray:
    """Which calls a bucket of ``most`` lets pass that refills at ``rate`` and was full."""
    level, at_s = most, 0.0
    passed = np.zeros(len(arrival_s), bool)
    for k, (now_s, wanted) in enumerate(zip(arrival_s.tolist(), demand.tolist(), strict=True)):
        level, at_s = min(most, level + rate * (now_s - at_s)), now_s
        if level >= wanted:
            level, passed[k] = level - wanted, True
    return passed


def constant_service_loss(load: float, places: int) -> float:
    """Share lost by M/D/1/K: ``1 - 1/(pi_0 + load)``, pi as departures leave it (Cooper 1981)."""
    come = stats.poisson.pmf(np.arange(places), load)
    moves = np.zeros((places, places))
    for n in range(places):
        left = max(0, n - 1)
        moves[n, left:] = come[: places - left]
        moves[n, -1] += 1 - moves[n].sum()
    return 1 - 1 / (stationary(moves)[0] + load)


@pytest.mark.parametrize(("load", "burst"), [(1.5, 1), (0.9, 4), (0.9, 6)])
@pytest.mark.parametrize("kind", ["requests", "tok"])
def test_poisson_calls_into_a_token_bucket_are_m_d_1_k(
    tmp_path: Path, kind: str, load: float, burst: int
) -> None:
    """What a bucket lacks is the work in M/D/1/K: a call is a service of 1/rate, K the burst."""
    calls = {"requests": 1, "tok": 1000 + 1}[kind]
    limit = {"of": kind, "amount": 60 * calls, "per": "minute", "burst_s": burst}
    ledger = served(study_of(tmp_path, limited(load, 900_000, limit)), "api")
    refused = steady(ledger.outcome == REJECTED)
    refused.check(constant_service_loss(load, burst), 0.06)
    if kind == "requests" and burst == 1:
        refused.check(erlang_b(1, load), 0.01)


def test_calls_of_unequal_size_pass_as_a_plain_recursion_says(tmp_path: Path) -> None:
    """Prompts of lognormal length into a limit of input tokens a minute, call by call."""
    limit = {"of": "input_tok", "amount": 300_000, "per": "minute", "burst_s": 20}
    said = limited(5.0, 40_000, limit)
    said["traffic"]["calls"] |= {"message_tokens": {"median": 1000, "sigma": 1.0}}
    said["traffic"]["calls"]["max_prompt_tokens"] = 50_000
    ledger = served(study_of(tmp_path, said), "api", horizon_s=1e6)
    passed = by_recursion(ledger.arrival_s, ledger.table.input_tokens, 5000.0, 100_000.0)
    np.testing.assert_array_equal(ledger.completed, passed)
    assert 0.6 < passed.mean() < 0.9


LAG_S, PERIOD_S = 600.0, 60.0
LOAD_PER_S, DONE_PER_S = 3.0, 2.0


def lagging() -> dict[str, Any]:
    """A load of three answers a second from nothing on, and replicas that give two each."""
    rule = {"metric": "in-flight", "target": 1, "max_replicas": 2, "interval_s": PERIOD_S}
    step = {"fixed_s": 1 / (2000 * DONE_PER_S)}
    return queue(
        LOAD_PER_S, requests=2 * 10_800, autoscale=rule, cold_start_s=LAG_S, step_time=step
    )


def in_system(ledger: Ledger, at_s: np.ndarray) -> np.ndarray:
    came = np.searchsorted(ledger.arrival_s, at_s, "right")
    return came - np.searchsorted(np.sort(ledger.finished_s), at_s, "right")


def test_the_backlog_of_a_cold_start_and_its_drain_are_fluid(tmp_path: Path) -> None:
    """Backlog ``(load - c) * lag`` at the end of a cold start, drained at ``2c - load``.

    The lag is one look and the cold start. A replica that starts empty under overload idles for
    ``1/(load - c)`` in all, so that both fluids begin with ``c/(load - c)`` more; the time until
    ``k`` are left follows by Wald's identity (Newell 1982 has the fluid).
    """
    study = study_of(tmp_path, lagging())
    ready_s, left = PERIOD_S + LAG_S, 20
    behind, slope = LOAD_PER_S - DONE_PER_S, 2 * DONE_PER_S - LOAD_PER_S
    backlog, half_way, drained_s = [], [], []
    for seed in range(1, 161):
        ledger = served(study, seed=seed)
        assert np.sort(ledger.fleets[0].periods_s[:, 0])[1] == pytest.approx(PERIOD_S)
        then, later = in_system(ledger, np.array([ready_s, ready_s + 200]))
        backlog.append(then)
        half_way.append(later)
        moments_s = np.sort(ledger.finished_s[ledger.finished_s > ready_s])
        few = np.flatnonzero(in_system(ledger, moments_s) <= left)[0]
        drained_s.append(moments_s[few] - ready_s)
    begun = DONE_PER_S / behind
    grown = behind * ready_s + begun
    replicated(backlog).check(grown, 0.04)
    replicated(half_way).check(grown + begun - slope * 200, 0.06)
    replicated(drained_s).check((grown + begun - left) / slope, 0.05)


def present_at(account: FleetAccount, at_s: np.ndarray) -> np.ndarray:
    """Replicas that are there at given times."""
    begun_s, end_s = np.sort(account.periods_s, axis=0).T
    return np.searchsorted(begun_s, at_s, "right") - np.searchsorted(end_s, at_s, "right")


@pytest.mark.parametrize(("wanted", "spares"), [(3, 1), (8, 2)])
def test_n_plus_k_replicas_are_there_as_often_as_the_binomial_says(
    tmp_path: Path, wanted: int, spares: int
) -> None:
    """Each is up for MTBF/(MTBF + MTTR) of the time, and at least N by the binomial.

    That is the birth-death chain of a repairman for each machine (Barlow and Proschan 1965).
    """
    mean_h, repair_h, count = 48.0, 6.0, wanted + spares
    failures = {"mean_days_between": mean_h / 24, "repair_s": repair_h * HOUR_S}
    said = queue(0.01, requests=36, failures=failures, cold_start_s=0)
    horizon_s = 800_000 / count * HOUR_S
    ledger = served(study_of(tmp_path, said), horizon_s=horizon_s, replicas=count)
    at_s = np.linspace(0, horizon_s, 400_000, endpoint=False)
    present = present_at(ledger.fleets[0], at_s)
    share = mean_h / (mean_h + repair_h)
    steady(present / count).check(share, 0.006)
    steady(present >= wanted).check(stats.binom.sf(wanted - 1, count, share), 0.02)
    for number in range(wanted - 1, count + 1):
        steady(present == number).check(stats.binom.pmf(number, count, share), 0.1)


@pytest.mark.parametrize("replicas", [1, 2])
def test_what_finds_no_replica_ready_spills(tmp_path: Path, replicas: int) -> None:
    """A share ``(1 - a)^n`` of the requests; MTTR is repair and cold start.

    A replica may fail while it starts, so that ``a = m*exp(-c/m) / (m + r)`` with ``m`` from launch
    to failure: the ratio of mean times in a cycle (renewal reward; Ross 1996), which is
    MTBF/(MTBF + MTTR) for small c.
    """
    mean_s, repair_s, cold_s = 3600.0, 400.0, 600.0
    failures = {"mean_days_between": mean_s / 86_400, "repair_s": repair_s}
    said = queue(0.02, 1, 600_000, failures=failures, cold_start_s=cold_s)
    size = {"replicas": replicas, "spill_in_flight": 1000}
    ledger = served(study_of(tmp_path, said), "hybrid", **size)
    ready = mean_s * math.exp(-cold_s / mean_s) / (mean_s + repair_s)
    assert ready == pytest.approx(mean_s / (mean_s + repair_s + cold_s), rel=0.03)
    steady(ledger.server != OWN).check((1 - ready) ** replicas, 0.06 * replicas)


def usd_per_year(study: Study) -> float:
    """What one accelerator of a study's own costs a year."""
    own = next(o for o in study.options if isinstance(o, SelfHostOption))
    return own.gpu_usd_per_hour.mid * 8760


def test_capital_is_recovered_with_interest(tmp_path: Path) -> None:
    """8 % over five years: .250456 of the price a year, whose present value is the price."""
    free = dict.fromkeys(
        (
            "node_share", "residual_share", "node_kw", "electricity_usd_per_kwh",
            "colocation_usd_per_kw_month", "maintenance_share",
        ),
        0,
    )  # fmt: skip
    bought = {"gpu_usd": 100_000, "discount_rate": 0.08, "life_years": 5, "pue": 1} | free
    study = study_of(tmp_path, queue(0.1, requests=360, purchase=bought))
    yearly_usd = usd_per_year(study)
    assert yearly_usd == pytest.approx(25_045.6, abs=0.1)
    worth_usd = sum(yearly_usd / 1.08**year for year in range(1, 6))
    assert worth_usd == pytest.approx(100_000)
    resold = queue(0.1, requests=360, purchase=bought | {"residual_share": 0.3})
    yearly_usd = usd_per_year(study_of(tmp_path, resold))
    back_usd = 30_000 / 1.08**5
    assert sum(yearly_usd / 1.08**year for year in range(1, 6)) + back_usd == pytest.approx(1e5)


def test_common_random_numbers_make_differences_sharp(tmp_path: Path) -> None:
    """Erlang losses with n and n+1 servers on the same requests, against independent ones.

    The difference of the closed forms comes out either way; its variance shrinks at least tenfold.
    """
    servers, offered, seeds, service_s = 10, 10.0, 100, 4
    own = {"max_waiting": 0, "step_time": {"fixed_s": service_s * STEP_S}}
    study = study_of(tmp_path, queue(offered / service_s, requests=9000, **own))

    def losses(replicas: int, first_seed: int) -> np.ndarray:
        ledgers = (served(study, seed=first_seed + k, replicas=replicas) for k in range(seeds))
        return np.array([1 - np.mean(ledger.server == OWN) for ledger in ledgers])

    fewer, more, others = losses(servers, 1), losses(servers + 1, 1), losses(servers + 1, 1001)
    expected = erlang_b(servers, offered) - erlang_b(servers + 1, offered)
    replicated(fewer - more).check(expected, 0.02)
    replicated(fewer - others).check(expected, 0.1)
    ratio = (fewer - others).var(ddof=1) / (fewer - more).var(ddof=1)
    # Fisher's F: what the ratio of the true variances is at least.
    assert ratio / stats.f.ppf(1 - FALSE_ALARM, seeds - 1, seeds - 1) > 10


STEP_USD, STEP_UNITS, UNIT_USD = 3.0, 10, 0.32
FLEETS: dict[str, str | None] = {"own": "own", "api": None}


NONE = {"own": False, "api": False}


def stairs(volume: float) -> VolumeCosts:
    """Replicas of 3 USD/h for ten units each, against 0.32 USD for each unit."""
    usd = {"own": STEP_USD * math.ceil(volume / STEP_UNITS), "api": UNIT_USD * volume}
    replicas = {"own": math.ceil(volume / STEP_UNITS), "api": 0}
    worlds = {name: np.full(8, cost) for name, cost in usd.items()}
    return VolumeCosts(volume, usd, worlds, {"own": 0.5, "api": None}, replicas, FLEETS, NONE)


def test_a_staircase_crosses_a_line_many_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """29 changes of sign: the first at f/p = 9.375, the last at 15 f/p = 140.625.

    Replica n pays between n*f/p and n*k units; the last step that loses is the 15th, where the
    next replica costs as much as the line has gained.
    """
    said = queue(0.1, requests=360)
    said["options"]["api"] = said["options"].pop("hosted")
    said["options"] = {name: said["options"][name] for name in ("own", "api")}
    said["analysis"]["volumes"] = [1, 4, 25, 60, 100, 130, 200]
    located = []

    def step_volume(study: Study, sampler: Sampler, step: Step, guess: float) -> float:
        located.append(step.replicas)
        assert step.above <= STEP_UNITS * step.replicas <= step.below
        return STEP_UNITS * step.replicas

    carried = {"own": CapacityCurve({1: float(STEP_UNITS)}, (1.0, 1.0, 1.0))}
    monkeypatch.setattr(breakeven, "volume_costs", lambda *known: stairs(known[-1]))
    monkeypatch.setattr(breakeven, "price_sized_options", lambda *known: stairs(known[-1]))
    monkeypatch.setattr(fleet_stairs, "step_volume", step_volume)
    monkeypatch.setattr(breakeven, "_capacity_curves", lambda *known: carried)
    asked = study_of(tmp_path, said)
    found = breakeven.find_break_even(asked, Sampler(asked), {})
    assert found is not None
    assert found.first == pytest.approx(9.375)
    assert found.permanent == pytest.approx(140.625)
    assert 2 * len(found.wins) - 1 == 29
    for n, (begin, end) in enumerate(found.wins[:-1], 1):
        assert begin == pytest.approx(n * STEP_USD / UNIT_USD)
        assert end == pytest.approx(n * STEP_UNITS)
    assert set(located) >= set(range(1, 15))
    # One unit on a replica for ten: it would pay from 9.375 units, as the first crossing says.
    assert found.loads == pytest.approx((0.9375, 0.1))
    assert all(a[1] < b[0] for a, b in pairwise(found.wins))
