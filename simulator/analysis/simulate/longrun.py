"""Long simulations of one option: watched piece by piece, kept in a file, gone on with later."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simulator.analysis.sampling.sample import Sample
from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.simulate.planning import scaled_plan
from simulator.analysis.simulate.sketch import Sketch
from simulator.analysis.simulate.sums import Sums
from simulator.analysis.simulate.tally import Tally
from simulator.analysis.study.options import SingleOption, Size
from simulator.engine.checkpoint import Saved, save
from simulator.engine.ledger import Ledger
from simulator.engine.run import Simulation, stream
from simulator.errors import InputError
from simulator.files.names import file_name

Watch = Callable[[str, int, Sample, Ledger], None]
"""Sees every piece of an option's ledger, with the option's name and the piece's number."""


@dataclass(frozen=True, slots=True)
class Keep:
    """Where simulations are kept while they run."""

    folder: Path
    fingerprint: str
    """Of all that the result depends on; what was kept of anything else is refused."""
    every_s: float = 30.0
    """Least time between two savings."""


def evaluate_whole(
    evaluator: Evaluator, option: SingleOption, size: Size, keep: Keep | None, watch: Watch | None
) -> Evaluation:
    """Evaluate an option over the whole horizon, from where it was left off if it was kept.

    Sums are formed in the same pieces whether anything is kept or not: the same to the last digit.

    Raises
    ------
    InputError
        When what was kept cannot be read, or belongs to something else.
    """
    study, calling = evaluator.study, evaluator.calling(option)
    sample, tally = calling.sample(option), calling.tally(option, size)
    plan = scaled_plan(study, option, size, sample.scale).plan
    end_s = evaluator.end_s(option, sample)
    simulation, done = None, 0
    path = None if keep is None else keep.folder / f"{file_name(option.name)}.npz"
    if keep is not None and path is not None and path.is_file():
        saved = Saved(path)
        done = _restored(saved, path, keep, tally)
        names = study.traffic.workload_names
        simulation = saved.simulation(plan, names, end_s, study.epoch_s, sample.excerpt)
    saved_s = time.monotonic()

    def between(now: Simulation) -> None:
        nonlocal done, saved_s
        done += 1
        due = keep is not None and time.monotonic() - saved_s >= keep.every_s
        if keep is not None and path is not None and (due or now.is_at_end):
            _save(path, now, tally, keep, done)
            saved_s = time.monotonic()

    chunks = sample.chunks(done)
    pieces = stream(plan, chunks, end_s, study.epoch_s, simulation, between, sample.excerpt)
    for number, piece in enumerate(pieces, start=max(0, 2 * done - 1)):
        tally.add(piece)
        if watch is not None:
            watch(option.name, number, sample, piece)
    return Evaluation(
        option,
        size,
        tally.outcome(),
        calling,
        calls_per_request=evaluator.calls_per_request(option),
    )


def _save(path: Path, now: Simulation, tally: Tally, keep: Keep, done: int) -> None:
    notes = {
        "fingerprint": keep.fingerprint,
        "done": done,
        "sums": tally.sums.to_plain(),
        "most": tally.most,
        "totals": {name: sketch.total for name, sketch in tally.latencies.items()},
    }
    save(path, now, notes, {name: sketch.counts for name, sketch in tally.latencies.items()})


def _restored(saved: Saved, path: Path, keep: Keep, tally: Tally) -> int:
    """Take up the sums; returns how many chunks are in them."""
    if saved.notes.get("fingerprint") != keep.fingerprint:
        raise InputError(
            f"{path}: kept of another scenario, seed or version; choose another folder"
        )
    tally.sums = Sums.from_plain(saved.notes["sums"])
    tally.most = list(saved.notes["most"])
    for name, total in saved.notes["totals"].items():
        tally.latencies[name] = Sketch(saved.array(name).astype(np.float64), total)
    return int(saved.notes["done"])
