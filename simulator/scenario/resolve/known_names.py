"""Names that keys of a scenario may have, for editors to complete: models, offers, presets."""

from collections.abc import Callable
from typing import Any

from simulator.scenario.catalog.price_book import PriceBook, known_offers
from simulator.scenario.catalog.profiles import profile_names
from simulator.scenario.catalog.serving_profile import serving_profile
from simulator.scenario.document.shipped import shipped_scenarios
from simulator.scenario.resolve.presets import preset_names
from simulator.traffic.formats.catalog import FORMATS
from simulator.traffic.shapes import shape_names


def _tiers() -> list[str]:
    book = PriceBook()
    return sorted({tier for name in known_offers() for tier in book.simulated(name).tiers})


def _regions() -> list[str]:
    book = PriceBook()
    return sorted({region for name in known_offers() for region in book.regions(name)})


NAMES: dict[tuple[str, str], Callable[[], list[str]]] = {
    ("SelfHost", "model"): lambda: profile_names("models"),
    ("SelfHost", "accelerator"): lambda: profile_names("accelerators"),
    ("SelfHost", "engine"): lambda: sorted(serving_profile().engines),
    ("Api", "offer"): known_offers,
    ("Api", "behaves_like"): known_offers,
    ("Api", "region"): _regions,
    ("Api", "tier"): _tiers,
    ("Sessions", "preset"): preset_names,
    ("Sessions", "week"): shape_names,
    ("Simple", "week"): shape_names,
    ("Replay", "format"): lambda: sorted(FORMATS),
    ("Replay", "repeat_week"): shape_names,
    ("Scenario", "extends"): lambda: list(shipped_scenarios()),
}
"""Names by section and key."""


def with_known_names(definitions: dict[str, Any]) -> dict[str, Any]:
    """Return definitions in which texts with known names list them beside any other text.

    Most keys accept more than the names: common variants, a path, an offer of the user's own price
    file. The list is therefore an alternative to any text. It is no `examples`, because editors
    complete the values of an `enum`, within `anyOf` as well, and not all complete examples.
    """
    changed = dict(definitions)
    for (section, key), names in NAMES.items():
        properties = dict(changed[section]["properties"])
        properties[key] = _listing(properties[key], names())
        changed[section] = {**changed[section], "properties": properties}
    return changed


def _listing(schema: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Return the schema of a text with a list of names as an alternative."""
    listed = {"enum": names}
    for several in ("anyOf", "oneOf"):
        if several in schema:
            rest = {name: value for name, value in schema.items() if name != several}
            return {**rest, "anyOf": [listed, *schema[several]]}
    rest = {name: value for name, value in schema.items() if name != "type"}
    return {**rest, "anyOf": [listed, {"type": schema["type"]}]}
