"""Readers of files that the product wrote: results, answers of sweeps, capacities, states of runs.

Their samples come from a simulation of the tiny scenario.
"""

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from fuzz.cases import Reader, Sample
from fuzz.commands import argument, command
from fuzz.samples import TINY, text_samples

_STATE = "own.npz"


@contextmanager
def _tiny(text: str = TINY) -> Iterator[Path]:
    """Yield the path of the tiny scenario, the same for all cases since kept files contain it."""
    folder = Path(tempfile.gettempdir()) / "tiny"
    folder.mkdir(exist_ok=True)
    path = folder / "tiny.yaml"
    path.write_text(text, encoding="utf-8")
    yield path


@cache
def _results() -> tuple[Sample, ...]:
    with _tiny() as scenario, tempfile.TemporaryDirectory() as folder:
        command("run", scenario, "--effort", "1", "--jobs", "1", "--out", folder)
        return (Sample("result.json", (Path(folder) / "result.json").read_bytes(), "json"),)


def _report(path: Path, out: Path) -> None:
    command("report", path, "--out", out)


def _report_texts(path: Path, out: Path) -> None:
    """Render a stored result without its plots, which take most of the time."""
    from simulator.files.writing import write_files
    from simulator.report.documents.contract import ResultDocument
    from simulator.report.documents.focus import focus_rows
    from simulator.report.documents.stored import read_result
    from simulator.report.documents.tidy import csv_text, option_rows
    from simulator.report.html import render_report

    def render(document: ResultDocument) -> dict[str, str]:
        return {
            "report.html": render_report(document, {}),
            "options.csv": csv_text(option_rows(document)),
            "focus.csv": csv_text(focus_rows(document)),
        }

    write_files(out, read_result(path, render))


class _FixedAnswer(Executor):
    """Executor that answers every point immediately, with the same answer."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Return a future that is done."""
        future: Future[Any] = Future()
        future.set_result(self._answer)
        return future


def _sweep(folder: Path, answer: Any) -> dict[str, str]:
    from simulator.callbacks import ignore_progress
    from simulator.library.results import SweepResult
    from simulator.library.sweep import answer_points
    from simulator.scenario.resolve.load import read_document
    from simulator.scenario.variations.sweep import read_sweep, sweep_points

    with _tiny() as scenario:
        document = read_document(scenario)
        sweep = read_sweep(document)
        points = sweep_points(document, sweep)
        answers = answer_points(points, sweep.each, _FixedAnswer(answer), folder, ignore_progress)
    return SweepResult.of(answers).files()


@cache
def _answers() -> tuple[Sample, ...]:
    """Return the answer at the first point of the tiny scenario's sweep."""
    from simulator.library.sweep import answer_study
    from simulator.scenario.building.study import load_study

    with _tiny() as scenario, tempfile.TemporaryDirectory() as folder:
        answer = answer_study(load_study(scenario), "simulate")
        _sweep(Path(folder), answer)
        files = sorted((Path(folder) / "sweep").glob("*.json"))
        return (Sample(f"sweep/{files[0].name}", files[0].read_bytes(), "json"),)


def _answer(path: Path, out: Path) -> None:
    """Resume a sweep of which one answer is kept."""
    _sweep(path.parent.parent, {"error": None, "options": []})


@cache
def _capacities() -> tuple[Sample, ...]:
    with tempfile.TemporaryDirectory() as folder:
        _find_capacity(Path(folder))
        (file,) = (Path(folder) / "capacity").glob("*.json")
        return (Sample(f"capacity/{file.name}", file.read_bytes(), "json"),)


def _find_capacity(folder: Path) -> Any:
    from simulator.analysis.commands.result_cache import cached_capacity
    from simulator.scenario.building.deployed import self_hosted_options
    from simulator.scenario.building.study import load_study

    with _tiny() as scenario:
        study = load_study(scenario)
        (option,) = self_hosted_options(study, None)
        return study, cached_capacity(study, option, 1, 0.2, folder)


@cache
def _computed_capacity() -> Any:
    """Return the capacity that is computed if no usable one is kept."""
    with tempfile.TemporaryDirectory() as folder:
        return replace(_find_capacity(Path(folder))[1])


def _capacity(path: Path, out: Path) -> None:
    """Read a kept capacity."""
    from simulator.files.jsontext import json_text
    from simulator.report.terminal.capacity import capacity_document

    computed = _computed_capacity()
    with patch("simulator.analysis.commands.result_cache.slo_capacity", lambda *_: computed):
        study, capacity = _find_capacity(path.parent.parent)
    json_text(capacity_document([capacity], study))


@cache
def _states() -> tuple[Sample, ...]:
    with _tiny() as scenario, tempfile.TemporaryDirectory() as folder:
        command("simulate", scenario, "--keep", folder)
        return (Sample(_STATE, (Path(folder) / _STATE).read_bytes(), "npz"),)


def _state(path: Path, out: Path) -> None:
    """Resume a simulation whose state is kept."""
    with _tiny() as scenario:
        command("simulate", scenario, "--keep", path.parent, "--output", "json")


def _named(path: Path, out: Path) -> None:
    """Give an option and a workload this name, which becomes part of file names and columns."""
    import json

    name = json.dumps(argument(path), ensure_ascii=True)
    text = TINY.replace("\n  own:", f"\n  {name}:").replace("\n  chat:", f"\n  {name}:")
    with _tiny(text[: text.index("overrides:")]) as scenario:
        command("validate", scenario)
        command("simulate", scenario, "--ledger", out / "ledger", "--keep", out / "state")
        command("simulate", scenario, "--output", "csv")


def readers() -> tuple[Reader, ...]:
    """Return the readers of kept files."""
    names = ("own", "own-h100", "Own H100", "api_$1", "a.b", "é")
    return (
        Reader("result", _results, _report, slow=True),
        Reader("result-texts", _results, _report_texts, slow=True),
        Reader("sweep-answer", _answers, _answer, slow=True),
        Reader("capacity-answer", _capacities, _capacity, slow=True),
        Reader("run-state", _states, _state, slow=True),
        Reader("option-name", lambda: text_samples(*names), _named, slow=True),
    )
