"""Hold sampled figures against whole horizons: how often the stated errors contain the truth.

usage: python validation/intervals.py [SCENARIO ...] [--seeds N] [--requests R ...] [--out FILE]

Every scenario is asked at volumes at which its horizon has so many requests, under several seeds.
Options run once on the sample by which verdicts are settled, and once on all of the horizon. Sizes
that are to be found are found by the sample, and looked for around it by the whole horizon.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from simulator.analysis.sampling.sampler import Sampler
from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.size.judging import meets
from simulator.analysis.size.kinds.contract import kind_of
from simulator.analysis.study.effort import whole_horizon
from simulator.analysis.study.options import SelfHostOption, SingleOption, Size
from simulator.analysis.study.study import Study
from simulator.library.workers import processes
from simulator.scenario.building.study import load

SCENARIOS = (
    "quickstart", "agents", "rag-desk", "article-world", "bursty-launch", "buy-or-rent",
    "embeddings", "eu-region", "offers", "scale-to-zero", "speed", "gateway",
)  # fmt: skip
REQUESTS = (600_000, 1_500_000, 4_000_000)
SEEDS = 10
SETTINGS = ["analysis.sample_requests=50000"]
"""The default, also of scenarios that have their whole horizon simulated."""
MOST_WALKED = 4
"""Replicas up or down to which the whole horizon's size is looked for."""


@dataclass(frozen=True, slots=True)
class Case:
    """One option of a scenario at one volume under one seed."""

    scenario: str
    requests: int
    seed: int
    option: str
    is_sampled: bool
    bill_off: float | None
    """Sampled bill of the calls over the whole horizon's, less 1; None without calls."""
    bill_half: float
    attainment_off: float
    attainment_half: float
    replicas: int | None
    """That the sample finds; None where none are to be found."""
    replicas_whole: int | None
    cpu_s: float
    cpu_whole_s: float


def cases(task: tuple[str, int, int]) -> list[dict[str, Any]]:
    """Return all options of a scenario, a number of requests and a seed."""
    name, requests, seed = task
    study = load(name, SETTINGS, seed).study
    volume = requests / (study.traffic.requests_per_s * study.traffic.horizon_s)
    return [asdict(case) for case in _cases(study, volume, partial(Case, name, requests, seed))]


def _cases(study: Study, volume: float, case: Any) -> Iterator[Case]:
    sampled = Evaluator(study, volume, Sampler(study, careful=True))
    whole = Evaluator(whole_horizon(study), volume)
    for option in {o.name: o for each in study.options for o in each.parts}.values():
        begun_s = time.process_time()
        found = kind_of(option).size(sampled, option).evaluation
        there_s = time.process_time()
        truth = whole.evaluate(option, found.size)
        once_s = time.process_time()
        to_find = isinstance(option, SelfHostOption) and option.replicas is None
        best = _whole_size(whole, option, found.size) if to_find else None
        sampling = found.outcome.sampling
        usd, true_usd = (sum(e.outcome.api_usd.values()) for e in (found, truth))
        yield case(
            option=option.name,
            is_sampled=sampling.windows > 0,
            bill_off=usd / true_usd - 1 if true_usd else None,
            bill_half=sampling.calls.half,
            attainment_off=found.outcome.attainment - truth.outcome.attainment,
            attainment_half=sampling.attainment.half,
            replicas=found.size.replicas if to_find else None,
            replicas_whole=best,
            cpu_s=there_s - begun_s,
            cpu_whole_s=once_s - there_s,
        )


def _whole_size(whole: Evaluator, option: SingleOption, near: Size) -> int:
    """Fewest replicas that do over the whole horizon, not further than ``MOST_WALKED`` away."""

    def holds(replicas: int) -> bool:
        found: Evaluation = whole.evaluate(option, Size(replicas))
        return meets(found, whole.study.slo)

    replicas = near.replicas
    least, most = max(1, replicas - MOST_WALKED), replicas + MOST_WALKED
    while replicas < most and not holds(replicas):
        replicas += 1
    while replicas > least and holds(replicas - 1):
        replicas -= 1
    return replicas


def summary(found: list[Case]) -> list[dict[str, Any]]:
    """Return a row for each scenario and one for all; shares count sampled cases alone."""
    names = [*dict.fromkeys(case.scenario for case in found), "all"]
    return [_row(name, [c for c in found if name in (c.scenario, "all")]) for name in names]


def _row(name: str, found: list[Case]) -> dict[str, Any]:
    sampled = [case for case in found if case.is_sampled]
    bills = [c for c in sampled if c.bill_off is not None]
    sizes = [(c.replicas, c.replicas_whole) for c in found]
    differ = [abs(a - b) for a, b in sizes if a is not None and b is not None]
    return {
        "scenario": name,
        "cases": len(found),
        "sampled": len(sampled),
        "bill covered": _mean([abs(c.bill_off or 0.0) <= c.bill_half for c in bills]),
        "bill bias": _mean([c.bill_off or 0.0 for c in bills]),
        "bill half": _mean([c.bill_half for c in bills]),
        "SLO covered": _mean([abs(c.attainment_off) <= c.attainment_half for c in sampled]),
        "SLO bias": _mean([c.attainment_off for c in sampled]),
        "SLO half": _mean([c.attainment_half for c in sampled]),
        "same size": _mean([d == 0 for d in differ]),
        "off by 2": sum(d >= 2 for d in differ),
        "CPU s": sum(c.cpu_s for c in found),
        "CPU s whole": sum(c.cpu_whole_s for c in found),
    }


def _mean(values: list[Any]) -> float:
    return float(np.mean(values)) if values else math.nan


def _text(row: dict[str, Any]) -> str:
    cells = [f"{row['scenario']:14s}", f"{row['sampled']:4d}/{row['cases']:<4d}"]
    for name in ("bill covered", "bill bias", "bill half", "SLO covered", "SLO bias", "SLO half"):
        cells.append(f"{100 * row[name]:7.2f}%")
    cells += [f"{100 * row['same size']:6.0f}%", f"{row['off by 2']:4d}"]
    return "  ".join([*cells, f"{row['CPU s']:7.0f}", f"{row['CPU s whole']:7.0f}"])


def main() -> None:
    """Run the study and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenarios", nargs="*", default=SCENARIOS, metavar="SCENARIO")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--requests", type=int, nargs="+", default=REQUESTS)
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    tasks = [
        (name, requests, seed)
        for name in asked.scenarios
        for requests in asked.requests
        for seed in range(71, 71 + asked.seeds)
    ]
    found: list[Case] = []
    with processes(asked.jobs) as executor:
        for number, answered in enumerate(executor.map(cases, tasks), 1):
            found += [Case(**case) for case in answered]
            sys.stderr.write(f"\r{number} of {len(tasks)}")
            if asked.out is not None:
                asked.out.write_text(json.dumps([asdict(case) for case in found]))
    sys.stderr.write("\n")
    print("scenario       sampled  bill: cover    bias    half   SLO: cover    bias     half"
          "  size =  >= 2   CPU s   whole")  # fmt: skip
    for row in summary(found):
        print(_text(row))


if __name__ == "__main__":
    main()
