"""Compare sampled figures with whole horizons: how often do the stated errors contain the truth?

usage: python validation/intervals.py [SCENARIO ...] [--seeds N] [--requests R ...] [--out FILE]

Every scenario is simulated at volumes at which its horizon has the given numbers of requests, with
several seeds. Options are simulated once on the sample that verdicts use, and once on the whole
horizon. Sizes that are not given are found on the sample, and searched for around that size on the
whole horizon.
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
from simulator.library.parallel.workers import processes
from simulator.scenario.building.study import load

SCENARIOS = (
    "quickstart", "agents", "rag-desk", "article-world", "bursty-launch", "buy-or-rent",
    "embeddings", "eu-region", "offers", "scale-to-zero", "speed", "gateway",
)  # fmt: skip
REQUESTS = (600_000, 1_500_000, 4_000_000)
SEEDS = 10
SETTINGS = ["analysis.sample_requests=50000"]
"""Default sample, also for scenarios that would simulate their whole horizon."""
MOST_WALKED = 4
"""Most replicas above or below the sampled size to which the whole horizon's size is searched."""


@dataclass(frozen=True, slots=True)
class Case:
    """One option of a scenario at one volume and seed."""

    scenario: str
    requests: int
    seed: int
    option: str
    is_sampled: bool
    bill_off: float | None
    """Sampled bill of the calls over that of the whole horizon, less 1; None without calls."""
    bill_half: float
    """Stated half-width of the bill, as a share."""
    attainment_off: float
    """Sampled attainment less that of the whole horizon."""
    attainment_half: float
    """Stated half-width of the attainment."""
    replicas: int | None
    """Size found on the sample; None if the size is given."""
    replicas_whole: int | None
    """Size found on the whole horizon; None if the size is given."""
    cpu_s: float
    cpu_whole_s: float


def cases(task: tuple[str, int, int]) -> list[dict[str, Any]]:
    """Return the cases of all options for a scenario, a number of requests and a seed."""
    name, requests, seed = task
    study = load(name, SETTINGS, seed).study
    volume = requests / (study.traffic.requests_per_s * study.traffic.horizon_s)
    return [asdict(case) for case in _cases(study, volume, partial(Case, name, requests, seed))]


def _cases(study: Study, volume: float, case: Any) -> Iterator[Case]:
    sampled = Evaluator(study, volume, Sampler(study, careful=True))
    whole = Evaluator(whole_horizon(study), volume)
    for option in {o.name: o for each in study.options for o in each.parts}.values():
        begin_s = time.process_time()
        evaluation = kind_of(option).size(sampled, option).evaluation
        sampled_s = time.process_time()
        # A hybrid for which no split pays is its better side, which alone is compared.
        judged = evaluation.parts[0] if evaluation.parts else evaluation
        truth = whole.evaluate(judged.option, judged.size)
        end_s = time.process_time()
        is_sized = isinstance(option, SelfHostOption) and option.replicas is None
        best = _whole_size(whole, option, evaluation.size) if is_sized else None
        sampling = evaluation.outcome.sampling
        usd, true_usd = (sum(e.outcome.api_usd.values()) for e in (evaluation, truth))
        yield case(
            option=option.name,
            is_sampled=sampling.windows > 0,
            bill_off=usd / true_usd - 1 if true_usd else None,
            bill_half=sampling.calls.half,
            attainment_off=evaluation.outcome.attainment - truth.outcome.attainment,
            attainment_half=sampling.attainment.half,
            replicas=evaluation.size.replicas if is_sized else None,
            replicas_whole=best,
            cpu_s=sampled_s - begin_s,
            cpu_whole_s=end_s - sampled_s,
        )


def _whole_size(whole: Evaluator, option: SingleOption, near: Size) -> int:
    """Return the fewest replicas that meet the targets over the whole horizon.

    The search goes at most ``MOST_WALKED`` replicas up or down from ``near``.
    """

    def meets_targets(replicas: int) -> bool:
        evaluation: Evaluation = whole.evaluate(option, Size(replicas))
        return meets(evaluation, whole.study.slo)

    replicas = near.replicas
    least, most = max(1, replicas - MOST_WALKED), replicas + MOST_WALKED
    while replicas < most and not meets_targets(replicas):
        replicas += 1
    while replicas > least and meets_targets(replicas - 1):
        replicas -= 1
    return replicas


def summary(results: list[Case]) -> list[dict[str, Any]]:
    """Return a row for each scenario and one for all; shares only count sampled cases."""
    names = [*dict.fromkeys(case.scenario for case in results), "all"]
    return [_row(name, [c for c in results if name in (c.scenario, "all")]) for name in names]


def _row(name: str, results: list[Case]) -> dict[str, Any]:
    sampled = [case for case in results if case.is_sampled]
    bills = [c for c in sampled if c.bill_off is not None]
    sizes = [(c.replicas, c.replicas_whole) for c in results]
    differences = [abs(a - b) for a, b in sizes if a is not None and b is not None]
    return {
        "scenario": name,
        "cases": len(results),
        "sampled": len(sampled),
        "bill covered": _mean([abs(c.bill_off or 0.0) <= c.bill_half for c in bills]),
        "bill bias": _mean([c.bill_off or 0.0 for c in bills]),
        "bill half": _mean([c.bill_half for c in bills]),
        "SLO covered": _mean([abs(c.attainment_off) <= c.attainment_half for c in sampled]),
        "SLO bias": _mean([c.attainment_off for c in sampled]),
        "SLO half": _mean([c.attainment_half for c in sampled]),
        "same size": _mean([d == 0 for d in differences]),
        "off by 2": sum(d >= 2 for d in differences),
        "CPU s": sum(c.cpu_s for c in results),
        "CPU s whole": sum(c.cpu_whole_s for c in results),
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
    arguments = parser.parse_args()
    tasks = [
        (name, requests, seed)
        for name in arguments.scenarios
        for requests in arguments.requests
        for seed in range(71, 71 + arguments.seeds)
    ]
    results: list[Case] = []
    with processes(arguments.jobs) as executor:
        for number, finished in enumerate(executor.map(cases, tasks), 1):
            results += [Case(**case) for case in finished]
            sys.stderr.write(f"\r{number} of {len(tasks)}")
            if arguments.out is not None:
                arguments.out.write_text(json.dumps([asdict(case) for case in results]))
    sys.stderr.write("\n")
    print("scenario       sampled  bill: cover    bias    half   SLO: cover    bias     half"
          "  size =  >= 2   CPU s   whole")  # fmt: skip
    for row in summary(results):
        print(_text(row))


if __name__ == "__main__":
    main()
