"""The checks that gate a change: ``make check``, the same as hooks, and generated pages."""

import re

import pages
import pytest
import yaml

from tests.support.checkout import ROOT


def test_hooks_run_what_the_gate_runs() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"^check:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    commands = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe.splitlines()]
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    (repository,) = config["repos"]
    assert repository["repo"] == "local", "other repositories need a network"
    assert [hook["entry"] for hook in repository["hooks"]] == commands
    for hook in repository["hooks"]:
        # Checks are of the whole project: a change of one file may break another one.
        assert hook["language"] == "system"
        assert hook["pass_filenames"] is False


def test_outdated_pages_are_reported_and_not_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "docs/commands.md"
    monkeypatch.setattr(pages, "GENERATED", {name: lambda: "another text"})
    monkeypatch.setattr("sys.argv", ["pages.py", "--generated", "--check"])
    before = (ROOT / name).read_bytes()
    assert pages.main() == 1
    assert capsys.readouterr().err == f"{name} is out of date: run make pages PAGES={name}\n"
    assert (ROOT / name).read_bytes() == before
