"""Counts the modules that a scenario passes through, from its file to its report.

Run ``.venv/bin/python tools/walk.py quickstart``. A profiler watches ``breakeven run --fast --out``
and notes every function of the package, at its first call, that is handed the scenario in one of
its forms: its name, document, checked scenario, study, verdict, result or result document. The walk
is the sequence of their modules; a return is a step to a module that was left earlier. A walk that
grows says that a reader has to open more files.
"""

import os
import sys
import tempfile
import threading
from types import FrameType
from typing import Any

PACKAGE = "simulator"
FORMS = frozenset(
    ("Document", "Scenario", "Loaded", "Variations", "Study", "Verdict", "VerdictResult")
)
"""Classes whose objects stand for the whole scenario."""


class Walk:
    """The functions that a scenario passes through, in the order of their first calls."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.functions: list[tuple[str, str]] = []
        self._seen: set[Any] = set()

    def watch(self, frame: FrameType, event: str, _: Any) -> None:
        """Note a call of a function that is handed the scenario; see ``sys.setprofile``."""
        code = frame.f_code
        module = frame.f_globals.get("__name__", "")
        if event != "call" or not module.startswith(f"{PACKAGE}.") or code in self._seen:
            return
        count = code.co_argcount + code.co_kwonlyargcount
        values = (frame.f_locals.get(name) for name in code.co_varnames[:count])
        if not code.co_name.startswith("<") and any(map(self._is_form, values)):
            self._seen.add(code)
            self.functions.append((module, code.co_name))

    def _is_form(self, value: Any) -> bool:
        kind = type(value)
        if kind.__name__ in FORMS and kind.__module__.startswith(PACKAGE):
            return True
        if isinstance(value, dict):
            return "options" in value and "break_even" in value
        return isinstance(value, str) and value == self.name

    def stays(self) -> list[tuple[str, list[str]]]:
        """Return the modules in the order of the walk, each with the functions of one stay."""
        stays: list[tuple[str, list[str]]] = []
        for module, function in self.functions:
            if not stays or stays[-1][0] != module:
                stays.append((module, []))
            stays[-1][1].append(function)
        return stays


def main() -> None:
    """Walk with one scenario, and print the stays and their number."""
    name = sys.argv[1]
    os.environ.setdefault("NUMBA_OPT", "1")
    from simulator.cli.app import app

    walk = Walk(name)
    with tempfile.TemporaryDirectory() as folder:
        threading.setprofile(walk.watch)
        sys.setprofile(walk.watch)
        app(["run", name, "--fast", "--jobs", "1", "--out", folder], standalone_mode=False)
        sys.setprofile(None)
        threading.setprofile(None)
    stays = walk.stays()
    for module, functions in stays:
        print(f"{module.removeprefix(f'{PACKAGE}.'):44} {', '.join(functions)}", file=sys.stderr)
    modules = [module for module, _ in stays]
    returns = len(modules) - len(set(modules))
    print(f"{len(set(modules))} modules, {returns} returns to one already left", file=sys.stderr)


if __name__ == "__main__":
    main()
