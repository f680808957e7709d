"""The HTML report: complete, self-contained, alive in a real browser, and safe with any name."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from copy import deepcopy
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from matplotlib.axes import Axes
from playwright.sync_api import Browser, Page, sync_playwright

from simulator import find_break_even
from simulator.report.charts import plots
from simulator.report.charts.interactive import chart
from simulator.report.html import render_report
from simulator.report.terminal import verdict
from tests.support.scenarios import SMALL, write_scenario

EVIL = "<script>alert('x')</script>&\"own"
EVIL_OPTION = "</script><img src=x onerror=alert(1)>"
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("report")]


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    scenario = deepcopy(SMALL)
    scenario["name"] = EVIL
    scenario["analysis"] = {**scenario.get("analysis", {}), "volumes": [0.4, 1, 1.6]}
    scenario["traffic"]["chat"]["requests_per_month"] = 16_000_000
    scenario["future"] = {"months": 12}
    scenario["options"][EVIL_OPTION] = scenario["options"].pop("frontier")
    path = write_scenario(tmp_path_factory.mktemp("report") / "evil.yaml", scenario)
    return find_break_even(path, fast=True).to_dict()


@pytest.fixture(scope="module")
def page_text(document: dict[str, Any]) -> str:
    return render_report(document)


class Checker(HTMLParser):
    """Collects what a browser would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.scripts: list[str | None] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "script":
            self.scripts.append(found.get("type"))
        for name, value in attrs:
            if name in ("src", "href", "xlink:href") and value and value[0] != "#":
                self.fetched.append(value)
            assert not name.startswith("on")

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_report_fetches_nothing_and_runs_its_own_script_alone(
    document: dict[str, Any], page_text: str
) -> None:
    checker = Checker()
    checker.feed(page_text)
    assert checker.fetched == ["data:,"]
    assert checker.scripts == ["application/json", None]
    assert not re.search(r"url\(\s*['\"]?(https?:)?//|@import", page_text)
    text = "".join(checker.text)
    assert EVIL in text
    assert verdict.headline(document) in text
    for option in document["options"]:
        assert option["name"] in text
    for source in document["provenance"]["prices"].values():
        assert source in text
    assert document["warnings"]
    for warning in document["warnings"]:
        assert warning in text


def test_report_is_the_same_bytes_twice(document: dict[str, Any], page_text: str) -> None:
    assert render_report(document) == page_text
    assert render_report(json.loads(json.dumps(document))) == page_text


def test_report_has_every_picture(document: dict[str, Any]) -> None:
    drawn = set(plots.plots_of(document))
    assert {
        "cost", "cost-stack", "load-duration", "latency-ttft", "latency-tpot", "cache-map",
        "probability", "drivers", "npv-own",
    } <= drawn  # fmt: skip
    assert any(name.startswith("timeline-") for name in drawn)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        message = "no chromium: `make browser` installs Debian's"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    quiet = ("background-networking", "component-update", "sync", "quic", "gpu")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=found,
            args=["--no-sandbox", "--no-first-run", *(f"--disable-{what}" for what in quiet)],
        )
        yield chromium
        chromium.close()


class Opened:
    """A page, and all that it complained about or asked for."""

    def __init__(self, page: Page, file: Path) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(file.as_uri())


@pytest.fixture
def opened(browser: Browser, page_text: str, tmp_path: Path) -> Iterator[Opened]:
    file = tmp_path / "report.html"
    file.write_text(page_text)
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    yield Opened(page, file)
    page.close()


def test_browser_shows_it_without_a_complaint_or_a_request(opened: Opened) -> None:
    page = opened.page
    assert page.locator("figure svg").count() == page.locator("figure").count() > 8
    for figure in page.locator("figure svg").all():
        box = figure.bounding_box()
        assert box is not None
        assert box["width"] > 400
        assert box["height"] > 100
    assert page.title().startswith(EVIL)
    assert page.locator("h1").inner_text() == EVIL
    assert page.locator("td", has_text=EVIL_OPTION).count() == 1
    assert opened.complaints == []
    assert {url.partition(":")[0] for url in opened.requests} <= {"file", "data"}
    assert len([url for url in opened.requests if url.startswith("file:")]) == 1


def test_a_pointer_is_answered_with_values(opened: Opened, document: dict[str, Any]) -> None:
    page = opened.page
    figure = page.locator("#cost svg")
    figure.scroll_into_view_if_needed()
    box = figure.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.4)
    tip = page.locator(".tip")
    assert tip.is_visible()
    lines = tip.inner_text().splitlines()
    assert lines[0].endswith(document["break_even"]["unit"])
    for option in document["options"]:
        assert any(line.startswith(f"{option['name']}: ") for line in lines[1:]), option["name"]
    page.mouse.move(1, 1)
    assert not tip.is_visible()
    bars = page.locator("#cost-stack svg")
    bars.scroll_into_view_if_needed()
    box = bars.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.2)
    assert tip.inner_text().endswith("USD/month")
    assert opened.complaints == []


def test_a_series_can_be_switched_off_and_on(opened: Opened) -> None:
    page = opened.page
    button = page.locator("#cost button", has_text="hosted")
    data = json.loads(page.locator("#charts").inner_text())
    (cost,) = (chart for chart in data if chart["key"] == "cost")
    (series,) = (each for each in cost["series"] if each["name"] == "hosted")
    shapes = [page.locator(f"[id='{each}']") for each in series["ids"]]
    assert shapes
    assert all(shape.count() == 1 for shape in shapes)
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert not any(shape.is_visible() for shape in shapes)
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert shapes[0].is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_reads_in_light_and_dark(opened: Opened, scheme: str) -> None:
    page = opened.page
    page.emulate_media(color_scheme=scheme)
    paper, ink, label = page.evaluate(
        """() => [document.body, document.querySelector('h1'), document.querySelector('svg text')]
            .map((e, k) => getComputedStyle(e)[['backgroundColor', 'color', 'fill'][k]])"""
    )
    for text in (ink, label):
        assert _contrast(paper, text) > 7


def _contrast(a: str, b: str) -> float:
    """WCAG's contrast ratio of two rgb() colours."""
    levels = []
    for colour in (a, b):
        parts = [int(v) / 255 for v in re.findall(r"\d+", colour)[:3]]
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
        levels.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(levels) + 0.05) / (min(levels) + 0.05)


def test_it_fits_a_phone_and_a_printed_page(opened: Opened) -> None:
    page = opened.page
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.emulate_media(media="print", color_scheme="dark")
    page.set_viewport_size({"width": 720, "height": 1000})
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for figure in page.locator("figure svg").all():
        box = figure.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= 720


def test_report_without_break_even(tmp_path: Path) -> None:
    only = {**SMALL, "options": {"hosted": SMALL["options"]["hosted"]}}
    found = find_break_even(write_scenario(tmp_path / "api.yaml", only), fast=True).to_dict()
    assert found["break_even"] is None
    assert found["hybrid"] is None
    assert found["cache_map"] is None
    assert found["verdict"]["saving"] is None
    page = render_report(found)
    assert "hosted is cheapest" in page
    assert 'id="cost-stack"' in page
    assert 'id="cost"' not in page


def test_plots_draw_on_given_axes_with_units(document: dict[str, Any]) -> None:
    for plot in (
        plots.plot_cost_by_volume,
        plots.plot_cost_stack,
        plots.plot_probability,
        plots.plot_latency,
        plots.plot_drivers,
        plots.plot_cache_map,
    ):
        ax = plots.new_axes()
        assert plot(document, ax=ax) is ax
        assert _says_its_unit(ax)
    for line in document["timelines"]:
        ax = plots.new_axes()
        assert plots.plot_load_duration(line, ax) is ax
        assert _says_its_unit(ax)
        axes = plots.new_axes(rows=4)
        assert plots.plot_timeline(line, axes) is axes
        assert all("[" in each.get_ylabel() for each in axes)


def _says_its_unit(ax: Axes) -> bool:
    labels = (ax.get_xlabel(), ax.get_ylabel())
    return any("[" in label for label in labels) or labels[1].startswith(("P(", "share"))


def test_stairs_are_drawn_as_stairs(document: dict[str, Any]) -> None:
    ax = plots.plot_cost_by_volume(document)
    (line,) = (each for each in ax.lines if each.get_label() == "own")
    assert [list(point) for point in line.get_xydata().tolist()] == document["break_even"][
        "stairs"
    ]["own"]
    volumes = line.get_xdata()
    assert any(a == b for a, b in pairwise(volumes))  # a step is upright


def test_places_of_values_are_those_of_the_drawing(document: dict[str, Any]) -> None:
    """What the script is told lies on the line that the SVG draws."""
    found = chart("cost", "Cost", plots.plot_cost_by_volume(document))
    (panel,) = found.panels
    (line,) = (each for each in panel["lines"] if each["name"] == "hosted")
    (series,) = (each for each in found.series if each["name"] == "hosted")
    drawn = next(
        match[1]
        for match in (
            re.search(rf'id="{gid}">\s*<path d="([^"]*)"', found.svg) for gid in series["ids"]
        )
        if match and "z" not in match[1]
    )
    numbers = [float(v) for v in re.findall(r"-?\d+\.?\d*", drawn)]
    corners = list(zip(numbers[::2], numbers[1::2], strict=True))
    for x, y, _, _ in (line["points"][0], line["points"][-1]):
        assert min(abs(x - a) + abs(y - b) for a, b in corners) < 0.3
