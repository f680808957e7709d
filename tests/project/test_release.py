"""Releases on a repository of their own, and the form of the changelog."""

import re
import subprocess
import tomllib
from datetime import date
from pathlib import Path

import pytest
from release import ReleaseError, release, released_changelog, with_version

from tests.support.checkout import ROOT

DAY = date(2026, 12, 24)
CHANGELOG = """# Changelog

## Unreleased

### Added

* A new thing.

## 0.1.0 - 2026-11-01

### Added

* An old thing.
"""
PROJECT = '[project]\nname = "breakeven"\nversion = "0.1.0"\n\n[tool.other]\nversion = "3"\n'
MAKEFILE = """
test docs:
	grep -q '^version = "0.2.0"' pyproject.toml
	grep -q '^## 0.2.0 - 2026-12-24' CHANGELOG.md

locked:
	mkdir dist
	touch dist/breakeven-0.2.0.tar.gz dist/breakeven-0.2.0-py3-none-any.whl
"""


def git(folder: Path, *arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one unreleased entry, whose checks pass for version 0.2.0."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("MAKEFLAGS", raising=False)
    folder = tmp_path / "repository"
    folder.mkdir()
    for name, text in {
        "CHANGELOG.md": CHANGELOG,
        "pyproject.toml": PROJECT,
        "Makefile": MAKEFILE,
        ".gitignore": "/dist/\n",
    }.items():
        (folder / name).write_text(text)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "config", "user.name", "Tester")
    git(folder, "config", "user.email", "tester@example.com")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "Begin")
    return folder


def test_a_release_is_checked_committed_and_tagged(repository: Path) -> None:
    assert release(repository, "0.2.0", DAY) == [
        "breakeven-0.2.0-py3-none-any.whl",
        "breakeven-0.2.0.tar.gz",
    ]
    assert git(repository, "status", "--porcelain") == ""
    assert git(repository, "log", "--format=%s").splitlines() == ["Release 0.2.0", "Begin"]
    assert git(repository, "rev-parse", "v0.2.0^{commit}") == git(repository, "rev-parse", "main")
    assert 'version = "0.2.0"' in git(repository, "show", "v0.2.0:pyproject.toml")
    with pytest.raises(ReleaseError, match=r"tag v0\.2\.0 exists"):
        release(repository, "0.2.0", DAY)


@pytest.mark.parametrize(
    ("old", "new"),
    [("mkdir dist", "false"), ("dist/breakeven-0.2.0.tar.gz", "dist/breakeven-0.1.0.tar.gz")],
    ids=["a check fails", "a file is missing"],
)
def test_a_failed_release_leaves_no_trace(repository: Path, old: str, new: str) -> None:
    makefile = repository / "Makefile"
    makefile.write_text(MAKEFILE.replace(old, new))
    git(repository, "commit", "--all", "--quiet", "--message", "Break")
    with pytest.raises(ReleaseError, match=r"make test docs locked` failed|must have a wheel"):
        release(repository, "0.2.0", DAY)
    assert git(repository, "status", "--porcelain") == ""
    assert git(repository, "log", "--format=%s").splitlines() == ["Break", "Begin"]
    assert git(repository, "tag") == ""


def test_a_release_needs_a_clean_main_branch_and_three_numbers(repository: Path) -> None:
    with pytest.raises(ReleaseError, match="three numbers"):
        release(repository, "0.2", DAY)
    (repository / "new.txt").touch()
    with pytest.raises(ReleaseError, match="uncommitted changes"):
        release(repository, "0.2.0", DAY)
    (repository / "new.txt").unlink()
    git(repository, "switch", "--quiet", "--create", "other")
    with pytest.raises(ReleaseError, match="on the branch main"):
        release(repository, "0.2.0", DAY)
    assert git(repository, "tag") == ""


def test_unreleased_entries_become_those_of_the_version() -> None:
    changed = released_changelog(CHANGELOG, "0.2.0", DAY)
    assert changed == CHANGELOG.replace("## Unreleased", "## 0.2.0 - 2026-12-24")
    for text in (changed, CHANGELOG.replace("* A new thing.\n", "")):
        with pytest.raises(ReleaseError, match="no entries under Unreleased"):
            released_changelog(text, "0.3.0", DAY)


def test_versions_do_not_go_back() -> None:
    assert with_version(PROJECT, "0.10.0") == PROJECT.replace("0.1.0", "0.10.0")
    assert with_version(PROJECT, "0.1.0") == PROJECT, "a first release may have its version already"
    with pytest.raises(ReleaseError, match=r"0\.0\.9 is older than the present version 0\.1\.0"):
        with_version(PROJECT, "0.0.9")


# The changelog of this project.

TEXT = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_changelog_begins_with_unreleased_changes_or_the_present_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    headings = re.findall(r"^## (.+)$", TEXT, re.MULTILINE)
    assert headings, "there is a section"
    released = headings[1:] if headings[0] == "Unreleased" else headings
    for heading in released:
        assert re.fullmatch(r"\d+\.\d+\.\d+ - \d{4}-\d\d-\d\d", heading), heading
    if released:
        assert released[0].startswith(f"{project['version']} - ")


def test_each_entry_of_the_changelog_is_a_sentence() -> None:
    parts = re.split(r"^### (.+)$", TEXT, flags=re.MULTILINE)
    kinds, bodies = parts[1::2], parts[2::2]
    assert set(kinds) <= KINDS
    for kind, body in zip(kinds, bodies, strict=True):
        entries = re.split(r"^\* ", body.partition("\n## ")[0], flags=re.MULTILINE)
        assert entries.pop(0).strip() == "", f"{kind} has only entries"
        assert entries, f"{kind} is empty"
        for entry in entries:
            words = " ".join(entry.split())
            assert re.match(r"[A-Z`\[]", words), words
            assert words.endswith("."), words
            assert "\n\n" not in entry.strip(), f"one paragraph: {words}"
