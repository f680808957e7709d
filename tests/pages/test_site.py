"""The documentation site: its navigation and reference are complete. ``make docs`` checks links."""

import re

import simulator
from tests.support.checkout import ROOT

SITE = ROOT / "docs" / "site"
PAGES = sorted(
    page.relative_to(ROOT).with_suffix("").as_posix()
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))
    if not page.stem.endswith("_intro")
)


def test_navigation_names_every_page_once() -> None:
    text = (SITE / "navigation.md").read_text(encoding="utf-8")
    named = re.findall(r"^[\w/-]+$", text, re.MULTILINE)
    # The first page is the one that holds the navigation.
    assert sorted([*named, "README"]) == sorted([*PAGES, "docs/site/reference"])


def test_a_page_has_one_title() -> None:
    for page in PAGES:
        text = (ROOT / f"{page}.md").read_text(encoding="utf-8")
        prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
        titles = re.findall(r"^# .+$", prose, re.MULTILINE)
        assert len(titles) == 1, f"{page}: each title becomes an entry of the navigation"
        assert prose.startswith(titles[0])


def test_reference_has_every_public_function() -> None:
    text = (SITE / "reference.rst").read_text(encoding="utf-8")
    functions = re.findall(r"^\.\. autofunction:: simulator\.(\w+)$", text, re.MULTILINE)
    assert sorted(functions) == sorted(simulator.__all__)
