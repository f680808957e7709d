"""Sweeps: every point is a task, its result is kept under a hash of all that it depends on.

A sweep that was stopped, however it was, goes on where it was: what is kept is not asked again.
"""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from simulator.analysis.commands.result_cache import (
    code_hash,
    content_hash,
    read_cached,
    write_cached,
)
from simulator.analysis.decide.verdict import decide, simulate_as_written, size_options
from simulator.analysis.study.study import Study
from simulator.errors import InfeasibleError, InputError, SimulatorError
from simulator.library.cluster import Cluster, cluster
from simulator.library.workers import Tell, processes
from simulator.report.documents.document import (
    option_document,
    simulation_document,
    verdict_document,
)
from simulator.report.documents.tidy import OPTION_COLUMNS, cheapest, option_rows
from simulator.scenario.building.study import Loaded, load_document
from simulator.scenario.document.document import Document
from simulator.scenario.document.shipped import profiles_dir
from simulator.scenario.resolve.load import fingerprint
from simulator.scenario.variations.sweep import Point, read_sweep, sweep_points

TAKEN = frozenset(("point", "error", "is_cheapest", *OPTION_COLUMNS))
"""Names of columns that are no coordinates."""
AHEAD = 32
"""Tasks handed to processes before the first is done: enough for all cores, little for memory."""


@dataclass(frozen=True, slots=True)
class Found:
    """A point and what was found there."""

    point: Point
    document: dict[str, Any]
    """``options``, ``break_even`` where it was asked for, and ``error``: why there is nothing."""


def answered(study: Study, each: str) -> dict[str, Any]:
    """Answer the study of one point; the result document, as far as ``each`` asks for it."""
    try:
        return {"error": None, **_answer(study, each)}
    except (InfeasibleError, InputError) as error:
        return {"error": str(error), "options": []}


def _answer(study: Study, each: str) -> dict[str, Any]:
    if each == "simulate":
        return simulation_document(simulate_as_written(study), study)
    if each == "size":
        results = size_options(study).results
        return {"options": [option_document(result, study) for result in results]}
    whole = verdict_document(decide(study))
    return {name: whole[name] for name in ("options", "verdict", "break_even")}


def swept(
    document: Document,
    jobs: int = 0,
    dask: str | None = None,
    folder: Path | None = None,
    tell: Tell | None = None,
) -> list[Found]:
    """Answer all points of a scenario's sweep.

    Parameters
    ----------
    document : Document
        The scenario as its file says it, with all settings.
    jobs : int
        Processes, 0: one for each core.
    dask : str, optional
        Address of a Dask scheduler, whose workers are used instead.
    folder : Path, optional
        Where answers are kept and looked for; None: nowhere.
    tell : callable, optional
        Is told how many points are done, and of how many.

    Raises
    ------
    InputError
        When a point cannot be said, or there is no answer at any.
    """
    said = read_sweep(document)
    points = sweep_points(document, said, TAKEN)
    with ExitStack() as stack:
        kept = folder or Path(stack.enter_context(TemporaryDirectory()))
        executor = stack.enter_context(cluster(dask) if dask else processes(jobs))
        return found_at(points, said.each, executor, kept, tell or (lambda done, of: None))


def found_at(
    points: Sequence[Point],
    each: str,
    executor: Executor,
    folder: Path,
    tell: Tell,
) -> list[Found]:
    """Answer all points, in their order, and keep every answer as soon as it is there.

    Parameters
    ----------
    points : sequence of Point
        Variations of a scenario.
    each : str
        ``size``, ``run`` or ``simulate``.
    executor : Executor
        Where they are answered.
    folder : Path
        Where answers are kept, and looked for.
    tell : callable
        Is told how many points are done, and of how many.

    Raises
    ------
    InputError
        When there is no answer at any point: why not at the first.
    SimulatorError
        When workers are lost for good; what was found until then is kept.
    """
    found: dict[int, dict[str, Any]] = {}
    waiting: dict[Future[Any], tuple[int, Path]] = {}

    def collect(least: int) -> None:
        while len(waiting) > least:
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                place, path = waiting.pop(future)
                found[place] = write_cached(path, future.result())
                tell(len(found), len(points))

    try:
        for place, point in enumerate(points):
            try:
                there, path = _built(point, each, folder)
            except InputError as error:
                known: Any = {"error": str(error), "options": []}
            else:
                known = read_cached(path)
            if isinstance(known, dict) and {"error", "options"} <= set(known):
                found[place] = known
                tell(len(found), len(points))
                continue
            study, ahead = there.study, AHEAD
            if isinstance(executor, Cluster):
                study, ahead = there.portable, executor.ahead
            waiting[executor.submit(answered, study, each)] = (place, path)
            collect(ahead)
        collect(0)
    except BrokenProcessPool:
        raise SimulatorError("a worker process died; run again to go on from there") from None
    finally:
        for future in waiting:
            future.cancel()
    if all(answer["error"] for answer in found.values()):
        raise InputError(found[0]["error"])
    return [Found(point, found[place]) for place, point in enumerate(points)]


def _built(point: Point, each: str, folder: Path) -> tuple[Loaded, Path]:
    """The scenario of a point, and where its answer is kept."""
    there = load_document(point.document)
    content = fingerprint(there.scenario, there.document, there.study.provenance)
    product = f"{code_hash()} {content_hash(profiles_dir())}"
    digest = hashlib.sha256(f"{product} {each} {content}".encode()).hexdigest()
    return there, folder / "sweep" / f"{digest[:32]}.json"


def tidy_rows(found: Sequence[Found]) -> Iterator[dict[str, Any]]:
    """Yield a row for each option at each point: coordinates first, then what it did there.

    No coordinate is named as another column.
    """
    for each in found:
        document = each.document
        head = {"point": each.point.place, **each.point.coordinates, "error": document["error"]}
        rows = option_rows(document)
        best = cheapest(document["options"])
        for row in rows:
            is_best = best is not None and row["option"] == best["name"]
            yield {**head, **row, "is_cheapest": is_best, **_break_even(document)}
        if not rows:
            yield head


def _break_even(document: dict[str, Any]) -> dict[str, Any]:
    known = document.get("break_even")
    return {f"break_even_{name}": known[name] for name in ("first", "permanent")} if known else {}
