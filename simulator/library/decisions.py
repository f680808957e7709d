"""The verdict on a scenario, and reports of earlier verdicts."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from simulator.errors import InputError
from simulator.library.amounts import amount
from simulator.library.results import Result, VerdictResult, drawn_files
from simulator.library.scenarios import Named, opened

if TYPE_CHECKING:
    from concurrent.futures import Executor


def find_break_even(
    scenario: Named,
    axis: str | None = None,
    between: tuple[float, float] | None = None,
    *,
    fast: bool = False,
    effort: int | None = None,
    within_s: float | str | None = None,
    whole: bool = False,
    views: bool = True,
    executor: "Executor | None" = None,
) -> VerdictResult:
    """Give the verdict on a scenario: options at their best size, break-even, drivers, changes.

    Parameters
    ----------
    scenario : Loaded, str or Path
        Scenario to decide.
    axis, between : str and pair of numbers, optional
        Number of the scenario and its range along which the break-even is searched; default: the
        volume.
    fast : bool
        Give a rough answer, with effort 3.
    effort : int, optional
        Level of effort from 1 to 5; 5 is the default, with all that the scenario requests.
    within_s : float or str, optional
        Answer with as much effort as this time allows, starting with the least; in seconds, or with
        a unit, such as ``10s``. The document
        states the level; with that level the answer is the same, byte for byte.
    whole : bool
        Simulate the whole horizon instead of a sample, however long that takes.
    views : bool
        Also simulate the further views of the report: timelines, and the map of volumes and cached
        shares.
    executor : Executor, optional
        Executor for parallel work; the answer does not depend on it.

    Raises
    ------
    InfeasibleError
        If no option meets the latency targets.
    InputError
        If the axis is not a number of the scenario, or options contradict each other.
    """
    from simulator.analysis.decide.anytime import best_within
    from simulator.analysis.decide.verdict import Verdict, decide
    from simulator.analysis.study.effort import (
        FAST,
        LEVELS,
        axis_with_effort_level,
        whole_horizon,
        with_effort_level,
    )
    from simulator.analysis.views.report_views import simulate_views
    from simulator.report.documents.document import verdict_document
    from simulator.report.documents.tidy import option_rows
    from simulator.report.terminal.verdict import print_verdict
    from simulator.scenario.resolve.load import resolved_yaml
    from simulator.scenario.variations.axis import Along, scenario_axis

    loaded_scenario = opened(scenario)
    if (axis is None) != (between is None):
        raise InputError("axis and between require each other")
    along = None
    if axis is not None and between is not None:
        along = scenario_axis(
            loaded_scenario.scenario, Along(loaded_scenario.variations, axis), *between
        )
    study = loaded_scenario.study
    study = whole_horizon(study) if whole else study
    if sum((fast, effort is not None, within_s is not None)) > 1:
        raise InputError("fast, effort and within_s exclude each other: give one of them")
    least = 1 if within_s is not None else effort or (FAST if fast else LEVELS)
    if not 1 <= least <= LEVELS:
        raise InputError(f"effort must be from 1 to {LEVELS}")

    def decide_at(level: int) -> Verdict:
        axis_at_level = along and axis_with_effort_level(along, level)
        return decide(with_effort_level(study, level), executor, axis_at_level)

    verdict = best_within(decide_at, least, amount("within_s", within_s))
    mapped = executor.map if executor else map
    document = verdict_document(verdict, simulate_views(verdict, mapped) if views else None)
    resolved = resolved_yaml(loaded_scenario.scenario, loaded_scenario.document)
    printer = partial(print_verdict, document)
    return VerdictResult(document, option_rows(document), verdict, resolved, printer=printer)


def redraw_report(result: str | Path, folder: str | Path | None = None) -> Result:
    """Draw report, tables and plots of an earlier verdict again.

    Parameters
    ----------
    result : path
        Folder that ``VerdictResult.save`` wrote, or its result.json.
    folder : path, optional
        Folder to write to; default: that of the result.

    Raises
    ------
    InputError
        If the file is missing, or does not hold a complete result of this version.
    """
    from simulator.files.writing import write_files
    from simulator.report.documents.stored import read_result

    path = Path(result)
    path = path / "result.json" if path.is_dir() else path
    target = path.parent if folder is None else Path(folder)
    files = read_result(path, drawn_files)
    write_files(target, files)
    written = [{"file": str(target / name)} for name in files]
    return Result({"files": written}, written, notes=(f"{target / 'report.html'}",))
