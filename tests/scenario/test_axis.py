"""Break-even along any number of a scenario: where costs are linear, the crossing is known."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import breakeven
from tests.support.scenarios import write_scenario

pytestmark = pytest.mark.slow

RENT = "options.own.rent_usd_per_gpu_hour"
SETTINGS = ["options.own.replicas=2", f"{RENT}=2.0", "people.engineers_fte=0.5"]


def found(path: Path, axis: str, low: float, high: float) -> dict[str, Any]:
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    ends = ("--axis", axis, "--between", str(low), str(high))
    result = breakeven("run", str(path), "--fast", *settings, *ends, "-o", "json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def total(document: dict[str, Any], name: str) -> float:
    option = next(o for o in document["options"] if o["name"] == name)
    return sum(option["cost_breakdown_usd_per_month"].values())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_scenario(tmp_path / "s.yaml")


def test_rent_crosses_where_the_line_does(path: Path) -> None:
    document = found(path, RENT, 0.5, 40.0)
    api = min(total(document, "frontier"), total(document, "hosted"))
    # Two replicas of two GPUs for 730 hours: own costs are linear in their rent.
    expected = 2.0 + (api - total(document, "own")) / (2 * 2 * 730)
    crossing = document["break_even"]
    assert crossing["axis"] == RENT
    assert crossing["current"] == 2.0
    assert crossing["scanned"] == pytest.approx([0.5, 40.0])
    (interval,) = crossing["intervals"]
    assert interval == pytest.approx([0.5, expected], rel=0.03)
    assert crossing["permanent"] is None


def test_engineers_cross_from_zero_on(path: Path) -> None:
    document = found(path, "people.engineers_fte", 0, 8)
    api = min(total(document, "frontier"), total(document, "hosted"))
    expected = 0.5 + (api - total(document, "own")) / (200_000 / 12)
    (interval,) = document["break_even"]["intervals"]
    assert interval == pytest.approx([0.0, expected], abs=0.02)


def test_never_comes_with_the_nearest_miss(path: Path) -> None:
    document = found(path, "people.engineers_fte", 7, 8)
    assert document["break_even"]["first"] is None
    miss = document["break_even"]["nearest_miss"]
    own = total(document, "own") + 6.5 * 200_000 / 12
    api = min(total(document, "frontier"), total(document, "hosted"))
    assert miss["at"] == pytest.approx(7.0)
    assert miss["dearer_share"] == pytest.approx(own / api - 1, rel=0.02)
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    ends = ("--axis", "people.engineers_fte", "--between", "7", "8")
    screen = breakeven("run", str(path), "--fast", *settings, *ends).stdout
    assert "never between 7 and 8 engineers_fte (you are at 0.5); closest at 7" in " ".join(
        screen.split()
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--axis", "people.engineers_fte"], 2, "--axis and --between require each other"),
        (["--axis", "people.engineers", "--between", "0", "1"], 3, "did you mean 'engineers_fte'?"),
        (["--axis", RENT, "--between", "5", "5"], 3, "the first must be the smaller"),
        (["--axis", RENT, "--between", "-1", "5"], 3, "greater than or equal to 0"),
        (["--axis", "options.own.model", "--between", "0", "1"], 3, "model must be a valid string"),
        (
            ["--axis", "options.own.prefix_cache", "--between", "0", "1"],
            3,
            "expected a number, not True",
        ),
    ],
)
def test_what_is_no_axis_is_refused(
    path: Path, arguments: list[str], code: int, message: str
) -> None:
    result = breakeven("run", str(path), *arguments)
    assert result.returncode == code
    assert message in " ".join(result.stderr.replace("│", " ").split())
    if code == 3:
        assert result.stderr.count("\n") == 1
    assert result.stdout == ""
