"""Recognition of usage exports by their structure, and files that are none."""

import json
from pathlib import Path

import pytest

from fuzz.readers.usage_readers import samples
from simulator.errors import InputError
from simulator.traffic.usage.catalog import EXPORT_FORMATS, export_of, read_usage
from simulator.traffic.usage.export_format import parsed
from tests.support.traffic.usage_exports import refusal


@pytest.mark.parametrize("name", sorted(samples()))
def test_a_sample_matches_its_format_alone(tmp_path: Path, name: str) -> None:
    for sample in samples()[name]:
        path = tmp_path / sample.name
        path.write_bytes(sample.data)
        content = parsed(path)
        specific = {n for n, e in EXPORT_FORMATS.items() if e.matches(content) and not e.is_general}
        assert specific <= {name}
        export = export_of(content)
        assert export is not None
        assert export.name == name


@pytest.mark.parametrize("name", sorted(samples()))
@pytest.mark.parametrize(
    "text", ["5", '"openai"', "[]", "{}", "[5]", '{"data": 5}', '{"results": {}}', "a,b\n1,2\n", ""]
)
def test_files_of_another_structure(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / "usage"
    path.write_text(text)
    assert not EXPORT_FORMATS[name].matches(parsed(path))
    refusal(path, name)


def test_words_in_a_file_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    path.write_text(json.dumps({"text": "organization.usage.completions.result start_time"}))
    assert "this is no known usage export" in refusal(path)


def test_unknown_names_of_formats(tmp_path: Path) -> None:
    path = tmp_path / "usage.json"
    path.write_text("{}")
    with pytest.raises(InputError, match=r"unknown format 'openai' \(did you mean 'openai-"):
        read_usage(path, "openai")


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ('{\n "data": [\n  {"a": 1,}\n ]\n}\n', "3:11"),
        ('{"data": [}', "1:11"),
        ('{"data": []}\n{"data": [}\n', "2:11"),
    ],
)
def test_faults_in_json_have_their_location(tmp_path: Path, text: str, location: str) -> None:
    path = tmp_path / "usage.json"
    path.write_text(text)
    assert refusal(path).startswith(f"{location}: not valid JSON")
