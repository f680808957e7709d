"""Work grows with the size of what is asked, and not with its square.

Calls of Python functions are counted, which are the same on any machine, however busy; what runs in
arrays or compiled is timed by ``benchmarks/doubling.py``.
"""

import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.support.scenarios import SMALL, write_scenario
from tests.support.tiny import invoke

pytestmark = pytest.mark.slow

MOST_GROWTH = 2.3
"""Times as many calls for twice the size."""


def options(size: int) -> dict[str, Any]:
    api = SMALL["options"]["frontier"]
    return {**SMALL, "options": {f"api{k}": api for k in range(size)}}


def workloads(size: int) -> dict[str, Any]:
    return {**SMALL, "traffic": {f"w{k}": deepcopy(SMALL["traffic"]["chat"]) for k in range(size)}}


def tenants(size: int) -> dict[str, Any]:
    chat = {**SMALL["traffic"]["chat"], "tenants": {"count": size}}
    return {**SMALL, "traffic": {"chat": chat}}


def swept(size: int) -> dict[str, Any]:
    return {**SMALL, "sweep": {"points": [{"seed": k, "slo.ttft_s": 2.0} for k in range(size)]}}


def gridded(size: int) -> dict[str, Any]:
    return {**SMALL, "sweep": {"grid": {"seed": list(range(size))}}}


def overridden(size: int) -> dict[str, Any]:
    return {**SMALL, "overrides": {f"o{k}": {"seed": k} for k in range(size)}}


def misplaced(size: int) -> dict[str, Any]:
    return {**SMALL, "seed": [f"{k}k" for k in range(size)]}


def uncertain(size: int) -> dict[str, Any]:
    spread = {"low": 1.0, "mid": 2.0, "high": 3.0}
    slo = {**SMALL["slo"], "ttft_s": spread}
    return {**options(size), "slo": slo}


def calls(what: Callable[[], object]) -> int:
    """How many functions a piece of work calls."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        what()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    ("scenario", "size"),
    [(options, 40), (workloads, 20), (tenants, 400), (swept, 200), (gridded, 400),
     (overridden, 10), (misplaced, 800), (uncertain, 20)],
)  # fmt: skip
def test_checking_grows_with_the_scenario(
    scenario: Callable[[int], dict[str, Any]], size: int, tmp_path: Path
) -> None:
    def checked(count: int) -> int:
        path = write_scenario(tmp_path / "s.yaml", scenario(count))
        return calls(lambda: invoke("validate", path))

    checked(2)  # what is read once for all
    assert checked(2 * size) <= MOST_GROWTH * checked(size)


@pytest.mark.parametrize(("scenario", "size"), [(options, 10), (workloads, 10)])
def test_answers_grow_with_the_scenario(
    scenario: Callable[[int], dict[str, Any]], size: int, tmp_path: Path
) -> None:
    def answered(count: int) -> int:
        path = write_scenario(tmp_path / "s.yaml", {**scenario(count), "horizon_hours": 6})
        setting = "analysis.sample_requests=1000"
        return calls(lambda: invoke("simulate", path, "--set", setting, "-o", "json"))

    settled = {"frontier": SMALL["options"]["frontier"]}
    if scenario is workloads:
        original = scenario

        def scenario(count: int) -> dict[str, Any]:
            return {**original(count), "options": settled}

    answered(2)
    assert answered(2 * size) <= MOST_GROWTH * answered(size)


def test_reading_grows_with_the_log(tmp_path: Path) -> None:
    def read(rows: int) -> int:
        path = tmp_path / "log.csv"
        lines = [f"{k * 0.5},{100 + k % 7},{20 + k % 3},s{k // 4}" for k in range(rows)]
        path.write_text("arrival_s,input_tokens,output_tokens,session\n" + "\n".join(lines) + "\n")
        return calls(lambda: invoke("traffic", "stats", path))

    read(4_000)
    assert read(8_000) <= MOST_GROWTH * read(4_000)
