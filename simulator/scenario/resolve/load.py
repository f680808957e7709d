"""From a scenario file and settings to a checked scenario."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simulator.errors import InputError, nearest
from simulator.files.yamltree import dumped
from simulator.scenario.document.attachments import named_files
from simulator.scenario.document.document import (
    Document,
    parse_value,
    read_yaml,
    value_at,
    with_values,
)
from simulator.scenario.document.shipped import find_scenario
from simulator.scenario.resolve.distributions import settled, written
from simulator.scenario.resolve.extending import extended
from simulator.scenario.resolve.presets import with_presets
from simulator.scenario.resolve.quantities import with_units
from simulator.scenario.schema.scenario import Scenario


def read_document(
    name: str | Path, settings: Sequence[str] | None = None, seed: int | None = None
) -> Document:
    """Read a scenario file and all that it extends, and change some of its values.

    Parameters
    ----------
    name : str or Path
        File, or the name of a shipped scenario.
    settings : sequence of str, optional
        ``path=value`` with a dotted path, the value read as YAML; or the name of one of the
        scenario's overrides.
    seed : int, optional
        Replaces the scenario's seed.

    Raises
    ------
    InputError
        With file, line and column of the first problem.
    """
    document = extended(read_yaml(find_scenario(str(name))))
    for setting in settings or ():
        path, separator, text = setting.partition("=")
        if not separator:
            document = overridden(document, setting)
        elif not path:
            raise InputError(f"--set {setting}: expected path=value")
        else:
            document = with_values(document, {path: parse_value(text, f"--set {path}")})
    return document if seed is None else with_values(document, {"seed": seed})


def overridden(document: Document, name: str) -> Document:
    """Return a document with the values of one of its overrides.

    Raises
    ------
    InputError
        When it has none of that name, or a path leads nowhere.
    """
    known = document.data.get("overrides")
    if not isinstance(known, dict) or not isinstance(known.get(name), dict):
        names = list(known) if isinstance(known, dict) else []
        raise InputError(
            f"--set {name}: expected path=value or the name of an override{nearest(name, names)}"
        )
    return with_values(
        document,
        known[name],
        lambda path: document.place(("overrides", name, path)),
        lambda path: document.folder(("overrides", name, path)),
    )


def checked(document: Document) -> tuple[Scenario, Document]:
    """Return the scenario that a document says, and the document with its numbers settled.

    Raises
    ------
    InputError
        With file, line and column of the first problem.
    """
    return settled(Scenario, with_units(Scenario, with_presets(document)))


def resolved_yaml(scenario: Scenario, document: Document) -> str:
    """Return the scenario with every default written out, as YAML; uncertain numbers as said."""
    return dumped(_resolved(scenario, document))


def _resolved(scenario: Scenario, document: Document) -> dict[str, Any]:
    """All that a scenario says, as plain values; uncertain numbers as their distributions."""
    said: dict[str, Any] = json.loads(scenario.model_dump_json())
    for number in document.uncertain:
        *above, last = number.path.split(".")
        there = written(number.distribution)
        value_at(said, tuple(above))[last] = _whole(there) if number.is_whole else there
    return said


def _whole(said: dict[str, Any]) -> dict[str, Any]:
    """A distribution as it is said where only whole numbers make sense."""
    return {
        name: [int(v) for v in value] if isinstance(value, list) else int(value)
        for name, value in said.items()
    }


def fingerprint(
    scenario: Scenario, document: Document, provenance: dict[str, dict[str, str]]
) -> str:
    """Return a hash of a scenario with its defaults, of what it was built from, and of its files.

    Every text that names a file beside the scenario stands for the file's content.
    """
    said = _resolved(scenario, document)
    text = json.dumps([said, provenance], sort_keys=True)
    digest = hashlib.sha256(text.encode())
    for name, path in named_files(said, document):
        digest.update(name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
