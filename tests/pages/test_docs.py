"""Pages show what their commands and code print, and their links lead somewhere.

``docs/pages.py`` runs the blocks of a page and renews what it shows of their outputs; a page is
right if that changes nothing.
"""

import difflib
import re
from pathlib import Path

import pytest
from blocks import FENCE, Block
from outputs import BEGINNING, PAGES, TIMES, WRITTEN, Run, output
from pages import GENERATED, INTRODUCTIONS, renewed_files, stored
from shown_lines import PageError

QUESTIONS = "docs/questions.md"
README = "README.md"
FIGURE = re.compile(r"(?<![\w.,])\d+(?:,\d{3})*(?:\.\d+)?(?![\w.,]*\d)")
NO_FIGURES = re.compile(r"`[^`\n]+`|\]\([^)]*\)|\b20\d\d(-\d\d-\d\d)?\b|Python 3\.\d+")
"""Code, addresses, dates and versions."""
FIFTEEN = list(enumerate(PAGES[QUESTIONS], start=1))


def case(name: object, page: list[Block], test_id: str) -> pytest.ParameterSet:
    """Case of a test; those that share a command run in one process, where it is run once."""
    is_shared = any(TIMES[command] > 1 for block in page for command, _ in block.commands)
    marks = [pytest.mark.xdist_group("docs")] if is_shared else []
    return pytest.param(name, id=test_id, marks=marks)


def check(page: str, name: str, shown: str, printed: str) -> None:
    """Compare a text of a page with what it should be; say how to renew it where they differ."""
    if shown != printed:
        lines = difflib.unified_diff(
            shown.splitlines(), printed.splitlines(), "shown", "printed now", n=1, lineterm=""
        )
        changed = "\n".join(lines)
        pytest.fail(f"{name} is out of date; {renewal(page)}\n{changed}", pytrace=False)


def renewal(page: str) -> str:
    """What to do about a page that is out of date."""
    whole = {beginning: name for name, beginning in INTRODUCTIONS.items()}
    return f"run: make pages PAGES={whole.get(page, page)}"


def test_there_are_fifteen_questions() -> None:
    assert len(FIFTEEN) == 15
    assert all(len(block.commands) == 1 for _, block in FIFTEEN)


def test_every_page_shows_what_is_run() -> None:
    assert set(PAGES) == {
        "README.md", "docs/commands_intro.md", "docs/distributed.md", "docs/library.md",
        "docs/logs.md", "docs/models.md", "docs/prices.md", "docs/profiles.md",
        "docs/questions.md", "docs/scenario_intro.md", "docs/sweeps.md",
        "docs/why-our-number-differs.md",
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [case(name, blocks, name) for name, blocks in PAGES.items() if name not in (QUESTIONS, README)],
)
def test_a_page_shows_what_is_printed(page: str, tmp_path: Path) -> None:
    for name, text in renewed(page, tmp_path).items():
        check(page, name, stored(name), text)


@pytest.mark.slow
@pytest.mark.parametrize(
    "block", [case(block, [block], f"question-{number}") for number, block in FIFTEEN]
)
def test_a_question_has_the_answer_that_is_printed(block: Block, tmp_path: Path) -> None:
    try:
        printed = Run(tmp_path).filled(block)
    except PageError as error:
        pytest.fail(f"{error}\nedit these lines, then {renewal(QUESTIONS)}", pytrace=False)
    check(QUESTIONS, QUESTIONS, block.text, printed.text)


@pytest.mark.slow
@pytest.mark.xdist_group("docs")
def test_the_readme_shows_its_first_run(tmp_path: Path) -> None:
    """Its screens, its picture, and that the report can be drawn again from what the run leaves."""
    files = renewed(README, tmp_path)
    assert set(files) == {README, "docs/quickstart.svg"}
    for name, text in files.items():
        check(README, name, stored(name), text)
    output("breakeven report out --out again", tmp_path)
    report = "report.html"
    assert (tmp_path / "again" / report).read_text() == (tmp_path / "out" / report).read_text()


@pytest.mark.parametrize("page", [README, QUESTIONS, "docs/why-our-number-differs.md"])
def test_the_text_around_outputs_gives_their_figures_roughly_or_as_shown(page: str) -> None:
    """A figure of three digits or more goes out of date with the output that it was copied from."""
    text = stored(page)
    shown = [number(figure) for _, block in FENCE.findall(text) for figure in FIGURE.findall(block)]
    figures = FIGURE.findall(NO_FIGURES.sub("", FENCE.sub("", text)))
    precise = [figure for figure in figures if len(digits(figure)) >= 3]
    copied = [
        figure
        for figure in precise
        if not any(abs(value - number(figure)) <= half_unit(figure) for value in shown)
    ]
    assert not copied, f"{page}: no output shows {copied}: round them, or describe them in words"


def number(figure: str) -> float:
    return float(figure.replace(",", ""))


def digits(figure: str) -> str:
    """Significant digits; zeros at the end of a whole number are none."""
    whole = figure.replace(",", "").lstrip("0.")
    return whole.replace(".", "") if "." in figure else whole.rstrip("0")


def half_unit(figure: str) -> float:
    """Error by rounding to the last digit."""
    return 0.5001 * 10.0 ** -len(figure.partition(".")[2])


@pytest.mark.parametrize("page", GENERATED)
def test_a_generated_page_is_up_to_date(page: str, tmp_path: Path) -> None:
    check(page, page, stored(page), renewed(page, tmp_path)[page])


def renewed(page: str, folder: Path) -> dict[str, str]:
    """Files of a page as they should be; one that shows other lines fails."""
    try:
        return renewed_files(page, folder)
    except PageError as error:
        pytest.fail(f"{page}: {error}\nedit these lines, then {renewal(page)}", pytrace=False)


@pytest.mark.parametrize(
    "page", [path for path in WRITTEN if not path.name.endswith(BEGINNING)], ids=lambda p: p.name
)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        name, _, anchor = target.partition("#")
        if "://" in target:
            continue
        file = page.parent / name if name else page
        assert file.exists(), f"{page.name}: no {target}"
        if anchor:
            assert anchor in anchors(file), f"{page.name}: no {target}"


def anchors(page: Path) -> set[str]:
    """What may be linked to within a page: its headings, as GitHub names them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in headings}
