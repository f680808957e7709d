"""The HTML report: complete, self-contained, and safe with any name."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from scenarios import SMALL, write_scenario
from simulator.analysis.verdict import decide
from simulator.report import plots, terminal, words
from simulator.report.document import verdict_document
from simulator.report.html import render_report
from simulator.scenario.build import load_study

EVIL = "<script>alert('x')</script>&\"own"


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    scenario = {**SMALL, "name": EVIL}
    path = write_scenario(tmp_path_factory.mktemp("report") / "evil.yaml", scenario)
    return verdict_document(decide(load_study(path)))


class Checker(HTMLParser):
    """Collects what a browser would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.scripts = 0
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        for name, value in attrs:
            if name in ("src", "href", "xlink:href") and value and not value.startswith("#"):
                self.fetched.append(value)
            assert not name.startswith("on")

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_report_fetches_and_runs_nothing(document: dict[str, Any]) -> None:
    page = render_report(document)
    checker = Checker()
    checker.feed(page)
    assert checker.fetched == []
    assert checker.scripts == 0
    assert not re.search(r"url\(\s*['\"]?(https?:)?//|@import", page)
    text = "".join(checker.text)
    assert EVIL in text
    assert terminal.headline(document) in text
    for option in document["options"]:
        assert option["name"] in text
    for source in document["provenance"]["prices"].values():
        assert source in text


def test_report_is_the_same_bytes_twice(document: dict[str, Any]) -> None:
    assert render_report(document) == render_report(document)


def test_report_without_break_even(tmp_path: Path) -> None:
    only = {**SMALL, "options": {"hosted": SMALL["options"]["hosted"]}}
    study = load_study(write_scenario(tmp_path / "api.yaml", only))
    found = verdict_document(decide(study))
    assert found["break_even"] is None
    assert found["hybrid"] is None
    assert found["verdict"]["saving"] is None
    page = render_report(found)
    assert "hosted is cheapest" in page


def test_plots_draw_on_given_axes_with_units(document: dict[str, Any]) -> None:
    for plot in (
        plots.plot_cost_by_volume,
        plots.plot_cost_stack,
        plots.plot_probability,
        plots.plot_drivers,
    ):
        ax = plots.new_axes()
        assert plot(document, ax) is ax
        assert ax.get_xlabel()


def test_numbers_read_well() -> None:
    assert words.usd(1234567.8) == "1,234,568"
    assert words.quantity(7_000_000) == "7M"
    assert words.quantity(2.5e9) == "2.5B"
    assert words.quantity(None) == "-"
    assert words.seconds(0.0261) == "26 ms"
    assert words.seconds(1.234) == "1.23 s"
