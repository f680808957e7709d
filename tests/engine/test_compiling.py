"""Progress of compilation, and the cache of compiled code."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from numba.core import event

from simulator import jit

SOURCE = """
from simulator.jit import compiler

compiled = compiler(FOLDER)


@compiled
def inner(x):
    return x + 1


@compiled
def outer(x):
    return inner(x) + inner(x)


@compiled
def unused(x):
    return x
"""


class Watcher(event.Listener):
    """Notes the progress at the beginning and the end of each compilation."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int] | None] = []

    def on_start(self, event: event.Event) -> None:
        self.seen.append(jit.compilation())

    def on_end(self, event: event.Event) -> None:
        self.seen.append(jit.compilation())


def load(path: Path) -> Any:
    """Import a module from a file, as a process does that starts anew."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    module.FOLDER = path.parent  # type: ignore[attr-defined]
    spec.loader.exec_module(module)
    return module


def test_a_compilation_reports_its_progress_and_a_cached_one_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "functions.py"
    path.write_text(SOURCE)
    watcher = Watcher()
    event.register("numba:compile", watcher)
    try:
        for expected in ([(1, 3), (2, 3), (2, 3), (2, 3)], []):
            monkeypatch.setattr(jit, "_functions", [])
            watcher.seen.clear()
            assert jit.compilation() is None
            assert load(path).outer(2) == 6
            assert watcher.seen == expected
            assert jit.compilation() is None
    finally:
        event.unregister("numba:compile", watcher)
