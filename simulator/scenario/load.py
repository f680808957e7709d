"""From a scenario file and settings to a checked scenario."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from simulator.errors import InputError
from simulator.scenario.files import find_scenario
from simulator.scenario.presets import with_presets
from simulator.scenario.schema import Scenario
from simulator.scenario.uncertain import settled, written
from simulator.scenario.yamlfile import (
    Document,
    parse_value,
    read_yaml,
    with_values,
)

_LONGEST_PATH = 1000


def read_scenario(
    name: str | Path, settings: list[str] | None = None, seed: int | None = None
) -> tuple[Scenario, Document]:
    """Read and check a scenario.

    Parameters
    ----------
    name : str or Path
        File, or the name of a shipped scenario.
    settings : list of str, optional
        ``path=value`` with a dotted path; the value is read as YAML.
    seed : int, optional
        Replaces the scenario's seed.

    Raises
    ------
    InputError
        With file, line and column of the first problem.
    """
    document = read_yaml(find_scenario(str(name)))
    values = {}
    for setting in settings or []:
        path, separator, text = setting.partition("=")
        if not separator or not path:
            raise InputError(f"--set {setting}: expected path=value")
        values[path] = parse_value(text, f"--set {path}")
    if seed is not None:
        values["seed"] = seed
    if values:
        document = with_values(document, values)
    return settled(Scenario, with_presets(document))


def resolved_yaml(scenario: Scenario, document: Document) -> str:
    """Return the scenario with every default written out, as YAML; uncertain numbers as said."""
    import io

    from ruamel.yaml import YAML

    text = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = False
    said = json.loads(scenario.model_dump_json())
    for number in document.uncertain:
        *above, last = number.path.split(".")
        node = said
        for key in above:
            node = node[key]
        node[last] = written(number.distribution)
    yaml.dump(said, text)
    return text.getvalue()


def fingerprint(
    scenario: Scenario, document: Document, provenance: dict[str, dict[str, str]]
) -> str:
    """Return a hash of a scenario with its defaults, of what it was built from, and of its files.

    Every text that names a file beside the scenario stands for the file's content.
    """
    said = json.loads(scenario.model_dump_json())
    text = json.dumps([said, provenance], sort_keys=True)
    digest = hashlib.sha256(text.encode())
    for name in sorted(set(_texts(said))):
        path = document.path.parent / name
        if len(name) < _LONGEST_PATH and path.is_file():
            digest.update(name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _texts(value: Any) -> Iterator[str]:
    """All texts within plain values."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of scenario files."""
    document = Scenario.model_json_schema()
    # What a workload must say itself when a preset says the rest.
    document["$defs"]["Sessions"]["required"] = ["kind", "requests_per_month"]
    return document
