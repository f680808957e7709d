"""The project itself: wheel, schema, public names, notebooks, file sizes."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import simulator
from simulator.scenario.building.study import load_study
from simulator.scenario.resolve.json_schema import json_schema
from tests.support.checkout import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True)
    return next(out.glob("breakeven-*.whl"))


@pytest.mark.slow
def test_wheel_finds_its_data_from_any_directory(wheel: Path, tmp_path: Path) -> None:
    installed, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    code = "from simulator.cli.main import main; main()"
    for arguments in (["validate", "quickstart"], ["validate", "scenarios/quickstart.yaml"]):
        result = subprocess.run(
            [
                sys.executable,
                "-P",
                "-c",
                f"import sys; sys.path.insert(0, {str(installed)!r}); {code}",
                *arguments,
            ],
            capture_output=True,
            text=True,
            cwd=elsewhere,
            env={**os.environ, "PYTHONPATH": ""},
        )
        assert result.returncode == 0, result.stderr
        assert result.stdout.startswith("support-chat: valid, 4 options\n")


@pytest.mark.slow
def test_wheel_carries_what_it_needs(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("scenarios", "hardware_profiles"):
        for file in (ROOT / folder).iterdir():
            assert f"simulator/_data/{folder}/{file.name}" in names
    assert "simulator/pricing/offers.yaml" in names
    assert "simulator/report/templates/report.html.j2" in names


def test_every_key_of_a_scenario_is_described() -> None:
    definitions = json_schema()["$defs"]
    silent = [
        f"{section}.{name}"
        for section, said in definitions.items()
        if not section.startswith("Part") and section not in ("Distribution", "Number", "Written")
        for name, key in said.get("properties", {}).items()
        # A section's description is its own; a kind or a name says itself.
        if "description" not in key
        and "#/$defs/" not in json.dumps(_own(key))
        and "const" not in key
    ]
    assert silent == []


def _own(key: dict[str, Any]) -> Any:
    """What a key says besides how numbers may be written."""
    shared = ("#/$defs/Written", "#/$defs/Distribution")
    return [way for way in key.get("anyOf", [key]) if way.get("$ref") not in shared] + [
        key.get("additionalProperties")
    ]


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").glob("*.yaml")), ids=lambda p: p.stem)
def test_shipped_scenarios_build(path: Path) -> None:
    study = load_study(path)
    assert study.options
    assert path.read_text().startswith("# yaml-language-server: $schema=./scenario.schema.json")


def test_public_names_exist() -> None:
    for name in (
        "load_scenario", "simulate", "find_break_even", "sweep", "price_usage", "predict_benchmark"
    ):  # fmt: skip
        assert name in simulator.__all__
    for name in simulator.__all__:
        assert callable(getattr(simulator, name))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = simulator.nothing


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem)
def test_notebook_runs_and_is_stored_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()


def test_files_tell_what_room_they_are() -> None:
    for file in (ROOT / "simulator").rglob("*.py"):
        text = file.read_text()
        assert text.startswith('"""'), f"{file} has no docstring"
        assert text.count("\n") <= 420, f"{file} is too long"
