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
_ALTERNATIVES = (_QUANTITY, "#/$defs/Distribution")
"""Definitions that are accepted in place of a number."""
_PART = "Part"
"""Prefix of the definitions for scenarios that extend another, in which every key is optional."""


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of scenario files.

    A scenario that extends another may omit any key, and set a key to null to remove it.
    """
    whole = Scenario.model_json_schema()
    # Keys that a workload needs even if a preset supplies the others.
    whole["$defs"]["Sessions"]["required"] = ["kind"]
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
    """Define what may replace a number; a distribution cannot contain distributions."""
    forms = [_lenient(form.model_json_schema(), [_QUANTITY]) for form in DISTRIBUTIONS]
    return {
        "Written": _WRITTEN,
        "Distribution": {"description": "An uncertain number.", "anyOf": forms},
    }


def _lenient(schema: Any, alternatives: Sequence[str] = _ALTERNATIVES) -> Any:
    """Accept some definitions in place of numbers, and drop titles, which only repeat names."""
    if isinstance(schema, list):
        return [_lenient(part, alternatives) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") in ("number", "integer"):
        texts = {k: v for k, v in schema.items() if k in ("description", "default")}
        limits = {k: v for k, v in schema.items() if k not in (*texts, "title")}
        return {**texts, "anyOf": [limits, *({"$ref": each} for each in alternatives)]}
    # An interval is also a distribution, so more than one alternative may match.
    return {
        "anyOf" if key == "oneOf" else key: _lenient(part, alternatives)
        for key, part in schema.items()
        if key != "title" or not isinstance(part, str)
    }


def _partial(schema: Any) -> Any:
    """Make every key optional, and let every property be null."""
    if isinstance(schema, list):
        return [_partial(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    part: dict[str, Any] = {}
    for key, value in deepcopy(schema).items():
        if key == "properties":
            part[key] = {n: {"anyOf": [_partial(p), {"type": "null"}]} for n, p in value.items()}
        elif key == "$ref" and isinstance(value, str):
            part[key] = (
                value if value in _ALTERNATIVES else value.replace("#/$defs/", f"#/$defs/{_PART}")
            )
        elif key == "additionalProperties" and isinstance(value, dict):
            part[key] = {"anyOf": [_partial(value), {"type": "null"}]}
        elif key not in ("required", "discriminator"):
            part[key] = _partial(value)
    return part
