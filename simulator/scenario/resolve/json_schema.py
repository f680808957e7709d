"""The JSON schema of scenario files, by which editors complete and check them."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from simulator.scenario.resolve.distributions import DISTRIBUTIONS
from simulator.scenario.schema.scenario import Scenario

_WRITTEN = {
    "type": "string",
    "pattern": r"^\s*\$?\s*[+-]?[0-9_.]+([eE][+-]?[0-9]+)?\s*[a-zA-Zµ%$]*\s*"
    r"((/|per )\s*[a-zA-Z]+)?\s*$",
    "description": "A number with a unit or a magnitude: 500ms, 3.2/s, 10M/month, 32k, 95%, $1.80.",
}
_QUANTITY = "#/$defs/Written"
_WAYS = (_QUANTITY, "#/$defs/Distribution")
"""What else may stand for a number."""
_PART = "Part"


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of scenario files.

    A scenario that extends another may leave out anything, and set to null what it takes out.
    """
    whole = Scenario.model_json_schema()
    # What a workload must say itself when a preset says the rest.
    whole["$defs"]["Sessions"]["required"] = ["kind", "requests_per_month"]
    definitions = whole.pop("$defs")
    definitions["Scenario"] = whole
    definitions = {name: _lenient(schema) for name, schema in definitions.items()}
    parts = {_PART + name: _partial(schema) for name, schema in definitions.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Scenario",
        "if": {"required": ["extends"]},
        "then": {"$ref": f"#/$defs/{_PART}Scenario"},
        "else": {"$ref": "#/$defs/Scenario"},
        "$defs": definitions | parts | _shared(),
    }


def _shared() -> dict[str, Any]:
    """What may stand for any number; the numbers within a distribution are no distributions."""
    forms = [_lenient(form.model_json_schema(), [_QUANTITY]) for form in DISTRIBUTIONS]
    return {
        "Written": _WRITTEN,
        "Distribution": {"description": "An uncertain number.", "anyOf": forms},
    }


def _lenient(schema: Any, ways: Sequence[str] = _WAYS) -> Any:
    """Let what is at ``ways`` stand for numbers too; titles only repeat names."""
    if isinstance(schema, list):
        return [_lenient(part, ways) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") in ("number", "integer"):
        said = {k: v for k, v in schema.items() if k in ("description", "default")}
        limits = {k: v for k, v in schema.items() if k not in (*said, "title")}
        return {**said, "anyOf": [limits, *({"$ref": way} for way in ways)]}
    # An interval is a distribution, so that more than one may fit.
    return {
        "anyOf" if key == "oneOf" else key: _lenient(part, ways)
        for key, part in schema.items()
        if key != "title" or not isinstance(part, str)
    }


def _partial(schema: Any) -> Any:
    """Let everything be left out, and properties be null."""
    if isinstance(schema, list):
        return [_partial(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    part: dict[str, Any] = {}
    for key, value in deepcopy(schema).items():
        if key == "properties":
            part[key] = {n: {"anyOf": [_partial(p), {"type": "null"}]} for n, p in value.items()}
        elif key == "$ref" and isinstance(value, str):
            part[key] = value if value in _WAYS else value.replace("#/$defs/", f"#/$defs/{_PART}")
        elif key == "additionalProperties" and isinstance(value, dict):
            part[key] = {"anyOf": [_partial(value), {"type": "null"}]}
        elif key not in ("required", "discriminator"):
            part[key] = _partial(value)
    return part
