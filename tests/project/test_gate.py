"""The checks that gate a change: ``make check``, the same as hooks, and generated files."""

import re
from pathlib import Path

import generated
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


def test_outdated_files_are_found_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {name: ("-c", f"print({name!r})") for name in ("current", "changed", "missing")}
    monkeypatch.setattr(generated, "ROOT", tmp_path)
    monkeypatch.setattr(generated, "FILES", files)
    (tmp_path / "current").write_text("current\n")
    (tmp_path / "changed").write_text("changed\nby hand\n")
    assert generated.main(["--check"]) == 1
    assert capsys.readouterr() == (
        "",
        "changed is out of date: run make generated\nmissing is out of date: run make generated\n",
    )
    assert generated.main([]) == 0
    assert capsys.readouterr().out == "wrote changed\nwrote missing\n"
    assert (tmp_path / "changed").read_text() == "changed\n"
    assert generated.main(["--check"]) == 0
