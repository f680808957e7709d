"""Sweeps: every point is a task whose result is cached under a hash of everything it depends on.

A sweep that was interrupted in any way resumes where it stopped, since cached points are not
evaluated again.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from simulator.analysis.commands.result_cache import (
    cache_dir,
    code_hash,
    content_hash,
    read_cached,
    write_cached,
)
from simulator.analysis.decide.verdict import decide, simulate_as_written, size_options
from simulator.analysis.study.study import Study
from simulator.callbacks import Tell, ignore_progress
from simulator.errors import InfeasibleError, InputError, SimulatorError
from simulator.library.parallel.cluster import Cluster, cluster
from simulator.library.parallel.workers import processes
from simulator.library.results import SweepResult
from simulator.library.scenarios import Named
from simulator.report.documents.contract import PointDocument
from simulator.report.documents.document import (
    option_document,
    verdict_document,
)
from simulator.report.documents.tidy import OPTION_COLUMNS, cheapest, option_rows
from simulator.scenario.building.study import Loaded, load_document
from simulator.scenario.document.document import Document, with_values
from simulator.scenario.document.shipped import profiles_dir
from simulator.scenario.resolve.load import fingerprint, read_document
from simulator.scenario.variations.sweep import Point, read_sweep, sweep_points

TAKEN = frozenset(("point", "error", "is_cheapest", *OPTION_COLUMNS))
"""Names of columns that coordinates must not have."""
AHEAD = 32
"""Tasks submitted to processes ahead: enough for all cores, with little memory."""


@dataclass(frozen=True, slots=True)
class PointResult:
    """A point of a sweep and its result."""

    point: Point
    document: PointDocument
    """``options``, ``break_even`` if requested, and ``error``, None if there is a result."""


def sweep(
    scenario: Named,
    grid: Mapping[str, Any] | None = None,
    *,
    each: str | None = None,
    jobs: int = 1,
    dask: str | None = None,
    folder: str | Path | None = None,
    no_cache: bool = False,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    tell: Tell = ignore_progress,
) -> SweepResult:
    """Evaluate variations of a scenario; see the section ``sweep`` of scenarios.

    Parameters
    ----------
    scenario : Loaded, str or Path
        Scenario to vary.
    grid : dict, optional
        Lists of values by dotted path, which replace the scenario's section ``sweep``.
    each : str, optional
        ``size``, ``run`` or ``simulate``; default: that of the scenario, else ``size``.
    jobs : int
        Number of processes; 0: one per core.
    dask : str, optional
        Address of a Dask scheduler whose workers are used instead.
    folder : path, optional
        Folder of cached results; default: the user's cache folder.
    no_cache : bool
        Neither read nor write cached results.
    overrides, seed
        See ``load_scenario``; for a scenario that is given by its name or path.
    tell : callable
        Callback with the number of points done and of all points.

    Raises
    ------
    InputError
        If a value is invalid, or no point has a result.
    """
    if isinstance(scenario, Loaded):
        document = scenario.variations.document
    else:
        # The scenario itself is not built: only its points have to be valid.
        document = read_document(scenario, overrides, seed)
    if grid is not None:
        section = {"grid": dict(grid), **({"each": each} if each else {})}
        document = with_values(document, {"sweep": section}, "grid: {}".format)
    elif each is not None:
        document = with_values(document, {"sweep.each": each}, "each: {}".format)
    cache = None if no_cache else Path(folder) if folder else cache_dir()
    return SweepResult.of(run_sweep(document, jobs, dask, cache, tell))


def answer_study(study: Study, each: str) -> PointDocument:
    """Evaluate the study of one point; return the parts of its document that ``each`` requests."""
    try:
        return _answer(study, each)
    except (InfeasibleError, InputError) as error:
        return {"error": str(error), "options": []}


def _answer(study: Study, each: str) -> PointDocument:
    if each in ("simulate", "size"):
        options = simulate_as_written(study) if each == "simulate" else size_options(study).results
        return {"error": None, "options": [option_document(option, study) for option in options]}
    whole = verdict_document(decide(study))
    return {
        "error": None,
        "options": whole["options"],
        "verdict": whole["verdict"],
        "break_even": whole["break_even"],
    }


def run_sweep(
    document: Document,
    jobs: int = 0,
    dask: str | None = None,
    folder: Path | None = None,
    tell: Tell = ignore_progress,
) -> list[PointResult]:
    """Evaluate all points of a scenario's sweep.

    Parameters
    ----------
    document : Document
        The scenario as written in its file, with all settings.
    jobs : int
        Number of processes; 0: one per core.
    dask : str, optional
        Address of a Dask scheduler whose workers are used instead.
    folder : Path, optional
        Cache of results; None: results are neither read nor stored.
    tell : callable
        Callback with the number of points done and of all points.

    Raises
    ------
    InputError
        If a point is invalid, or no point has a result.
    """
    section = read_sweep(document)
    points = sweep_points(document, section, TAKEN)
    with ExitStack() as stack:
        cache = folder or Path(stack.enter_context(TemporaryDirectory()))
        executor = stack.enter_context(cluster(dask) if dask else processes(jobs))
        return answer_points(points, section.each, executor, cache, tell)


def answer_points(
    points: Sequence[Point],
    each: str,
    executor: Executor,
    folder: Path,
    tell: Tell,
) -> list[PointResult]:
    """Evaluate all points, return results in their order, and cache each as soon as it is known.

    Parameters
    ----------
    points : sequence of Point
        Variations of a scenario.
    each : str
        ``size``, ``run`` or ``simulate``.
    executor : Executor
        Executor of the points.
    folder : Path
        Cache of results.
    tell : callable
        Callback with the number of points done and of all points.

    Raises
    ------
    InputError
        If no point has a result; the message is that of the first point.
    SimulatorError
        If workers are lost; results until then stay in the cache.
    """
    answers: dict[int, PointDocument] = {}
    waiting: dict[Future[PointDocument], tuple[int, Path]] = {}

    def collect(least: int) -> None:
        while len(waiting) > least:
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                index, path = waiting.pop(future)
                answers[index] = write_cached(path, future.result())
                tell(len(answers), len(points))

    try:
        for index, point in enumerate(points):
            try:
                scenario, path = _build(point, each, folder)
            except InputError as error:
                known: Any = {"error": "; ".join(error.errors), "options": []}
            else:
                known = read_cached(path)
            if isinstance(known, dict) and {"error", "options"} <= set(known):
                answers[index] = cast(PointDocument, known)
                tell(len(answers), len(points))
                continue
            study, ahead = scenario.study, AHEAD
            if isinstance(executor, Cluster):
                study, ahead = scenario.portable, executor.ahead
            waiting[executor.submit(answer_study, study, each)] = (index, path)
            collect(ahead)
        collect(0)
    except BrokenProcessPool:
        raise SimulatorError("a worker process died; run again to resume") from None
    finally:
        for future in waiting:
            future.cancel()
    if all(answer["error"] for answer in answers.values()):
        raise InputError(str(answers[0]["error"]))
    return [PointResult(point, answers[index]) for index, point in enumerate(points)]


def _build(point: Point, each: str, folder: Path) -> tuple[Loaded, Path]:
    """Return the scenario of a point, and the path of its result in the cache."""
    scenario = load_document(point.document)
    content = fingerprint(scenario.scenario, scenario.document, scenario.study.provenance)
    product = f"{code_hash()} {content_hash(profiles_dir())}"
    digest = hashlib.sha256(f"{product} {each} {content}".encode()).hexdigest()
    return scenario, folder / "sweep" / f"{digest[:32]}.json"


def tidy_rows(results: Sequence[PointResult]) -> Iterator[dict[str, Any]]:
    """Yield a row for each option at each point: its coordinates, then its results.

    Names of coordinates differ from those of all other columns.
    """
    for result in results:
        document = result.document
        head = {"point": result.point.index, **result.point.coordinates, "error": document["error"]}
        rows = option_rows(document)
        best = cheapest(document["options"])
        for row in rows:
            is_best = best is not None and row["option"] == best["name"]
            yield {**head, **row, "is_cheapest": is_best, **_break_even(document)}
        if not rows:
            yield head


def _break_even(document: PointDocument) -> dict[str, Any]:
    break_even = document.get("break_even")
    if not break_even:
        return {}
    return {
        "break_even_first": break_even["first"],
        "break_even_permanent": break_even["permanent"],
    }
