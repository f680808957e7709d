"""Read a scenario file with settings, resolve it in a few steps, and check it."""

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from simulator.errors import Faults, InputError, nearest
from simulator.files.yamltree import dumped
from simulator.scenario.document.attachments import named_files
from simulator.scenario.document.document import (
    Document,
    PlacedFaults,
    checked_by,
    parse_value,
    read_yaml,
    value_at,
    with_values,
)
from simulator.scenario.document.shipped import find_scenario
from simulator.scenario.resolve.distributions import (
    distribution_entry,
    limit_scores,
    resolve_distributions,
)
from simulator.scenario.resolve.extending import apply_extends
from simulator.scenario.resolve.presets import apply_presets
from simulator.scenario.resolve.quantities import parse_units
from simulator.scenario.resolve.week_files import read_week_files
from simulator.scenario.schema.scenario import Scenario

STEPS: tuple[Callable[[Document, PlacedFaults], Document], ...] = (
    apply_presets,
    read_week_files,
    partial(parse_units, Scenario),
    partial(resolve_distributions, Scenario),
)
"""Steps from a document as written, with what it extends, to one that the schema accepts. They
leave what they cannot use, and note it."""


def read_document(
    name: str | Path, settings: Sequence[str] | None = None, seed: int | None = None
) -> Document:
    """Read a scenario file with all files that it extends, and change some of its values.

    Parameters
    ----------
    name : str or Path
        Path of a file, or name of a shipped scenario.
    settings : sequence of str, optional
        Settings of the form ``path=value``, with a dotted path and the value as YAML, or names of
        the scenario's overrides.
    seed : int, optional
        Seed that replaces the scenario's.

    Raises
    ------
    InputError
        When the file or one that it extends cannot be read; or with a line for every setting that
        cannot be applied.
    """
    document = apply_extends(read_yaml(find_scenario(str(name))))
    faults = Faults()
    for setting in settings or ():
        with faults.collected():
            document = _apply_setting(document, setting)
    faults.check()
    return document if seed is None else with_values(document, {"seed": seed})


def _apply_setting(document: Document, setting: str) -> Document:
    """Set a value of a document, or apply one of its overrides."""
    path, separator, text = setting.partition("=")
    if not separator:
        return apply_override(document, setting)
    if not path:
        raise InputError(f"--set {setting}: expected path=value")
    return with_values(document, {path: parse_value(text, f"--set {path}")})


def apply_override(document: Document, name: str) -> Document:
    """Set the values of one of the document's overrides.

    Raises
    ------
    InputError
        When there is no override of that name, or a path does not exist.
    """
    overrides = document.data.get("overrides")
    if not isinstance(overrides, dict) or not isinstance(overrides.get(name), dict):
        names = list(overrides) if isinstance(overrides, dict) else []
        raise InputError(
            f"--set {name}: expected path=value or the name of an override{nearest(name, names)}"
        )
    return with_values(
        document,
        overrides[name],
        lambda path: document.location(("overrides", name, path)),
        lambda path: document.folder(("overrides", name, path)),
    )


def check_scenario(document: Document) -> tuple[Scenario, Document]:
    """Apply all ``STEPS``, and check the result against the schema.

    Returns
    -------
    scenario : Scenario
        The checked scenario, with medians for uncertain numbers.
    document : Document
        The document after all steps, with its uncertain numbers.

    Raises
    ------
    InputError
        With a line for every problem, with its file, line and column.
    """
    faults = PlacedFaults()
    scenario, resolved = resolve(document, faults)
    faults.check()
    assert scenario is not None
    return scenario, resolved


def resolve(document: Document, faults: PlacedFaults) -> tuple[Scenario | None, Document]:
    """Apply all ``STEPS``, check the result, and note what is wrong.

    Returns
    -------
    scenario : Scenario or None
        The checked scenario, or None if anything is wrong.
    document : Document
        The document after all steps.
    """
    for step in STEPS:
        document = step(document, faults)
    scenario = checked_by(Scenario, document, faults)
    if faults or scenario is None:
        return None, document
    return scenario, limit_scores(Scenario, document)


def resolved_yaml(scenario: Scenario, document: Document) -> str:
    """Return the scenario as YAML, with all defaults; uncertain numbers are distributions."""
    return dumped(_resolved(scenario, document))


def _resolved(scenario: Scenario, document: Document) -> dict[str, Any]:
    """Return a scenario as plain values, with all defaults and with distributions."""
    values: dict[str, Any] = json.loads(scenario.model_dump_json())
    for number in document.uncertain:
        *above, last = number.path.split(".")
        entry = distribution_entry(number.distribution)
        value_at(values, tuple(above))[last] = _whole(entry) if number.is_whole else entry
    return values


def _whole(entry: dict[str, Any]) -> dict[str, Any]:
    """Return a distribution with its numbers converted to whole ones."""
    return {
        name: [int(v) for v in value] if isinstance(value, list) else int(value)
        for name, value in entry.items()
    }


def fingerprint(
    scenario: Scenario, document: Document, provenance: dict[str, dict[str, str]]
) -> str:
    """Return a hash of a scenario with all defaults, its provenance, and the files that it names.

    A file counts by its name as written in the scenario and by its content, not by its folder.
    """
    values = _resolved(scenario, document)
    text = json.dumps([values, provenance], sort_keys=True)
    digest = hashlib.sha256(text.encode())
    for name, path in named_files(values, document):
        digest.update(name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
