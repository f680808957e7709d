"""The words of the project: descriptions that stand alone, the glossary, names with one meaning."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from pydantic import BaseModel

from simulator.cli.app import app
from simulator.scenario.catalog.offer_schema import FactsFile, Offer
from simulator.scenario.catalog.profiles import AcceleratorProfile, ApplianceProfile, ModelProfile
from simulator.scenario.catalog.serving_profile import ServingProfile
from simulator.scenario.resolve.json_schema import json_schema
from simulator.scenario.schema.owning import OwningDefaults
from simulator.scenario.tables.calibration_file import CalibrationFile
from tests.support.checkout import ROOT

MODELS: tuple[type[BaseModel], ...] = (
    Offer, FactsFile, AcceleratorProfile, ApplianceProfile, ModelProfile, ServingProfile,
    OwningDefaults, CalibrationFile,
)  # fmt: skip
"""Files other than scenarios, each by its outermost section."""

CONTINUES = {
    "about", "above", "after", "against", "along", "among", "and", "as", "at", "because",
    "before", "behind", "below", "beside", "besides", "between", "beyond", "but", "by",
    "during", "else", "for", "from", "how", "if", "in", "into", "of", "on", "once", "onto",
    "or", "over", "per", "since", "so", "than", "that", "their", "this", "to", "under", "until",
    "unless", "up", "upon", "what", "when", "where", "which", "while", "who", "whom", "whose",
    "why", "with", "within", "without", "yet",
}  # fmt: skip
"""Words at the beginning of a fragment that needs the line above it."""


def schema_texts() -> dict[str, str]:
    """Return all descriptions of all schemas by their paths; titles and keys are no prose."""
    schemas = {"Scenario": json_schema()}
    schemas |= {model.__name__: model.model_json_schema() for model in MODELS}
    return {
        f"{name}{path}": " ".join(text.split())
        for name, schema in schemas.items()
        for path, text in descriptions(schema)
    }


def descriptions(node: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path and text of every description; a property may be called that, too."""
    if isinstance(node, list):
        for index, part in enumerate(node):
            yield from descriptions(part, f"{path}/{index}")
    if isinstance(node, dict):
        for key, part in node.items():
            if key == "description" and isinstance(part, str):
                yield path, part
            elif key != "default":
                yield from descriptions(part, f"{path}/{key}")


SCHEMA_TEXTS = schema_texts()


def test_there_are_descriptions() -> None:
    assert len(SCHEMA_TEXTS) > 500
    assert any("#" not in path and path.endswith("/ttft_s") for path in SCHEMA_TEXTS)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_of_a_file_is_described(model: type[BaseModel]) -> None:
    schema = model.model_json_schema()
    silent = [
        f"{name}.{key}"
        for name, section in {model.__name__: schema, **schema.get("$defs", {})}.items()
        for key, field in section.get("properties", {}).items()
        # A section describes itself.
        if "description" not in field and "$ref" not in str(field)
    ]
    assert silent == []


def test_descriptions_stand_alone() -> None:
    def first_word(text: str) -> str:
        return re.split(r"[^\w']+", text, maxsplit=1)[0].lower()

    fragments = {p: t for p, t in SCHEMA_TEXTS.items() if first_word(t) in CONTINUES}
    assert fragments == {}, "begin with a noun or a verb: what it is, not how it goes on"


def test_descriptions_are_sentences_or_noun_phrases() -> None:
    # A value in backticks may come first.
    begun = re.compile(r"[A-Z`]")
    assert {p: t for p, t in SCHEMA_TEXTS.items() if not begun.match(t)} == {}
    assert {p: t for p, t in SCHEMA_TEXTS.items() if not t.endswith(".")} == {}


# The glossary: docs/glossary.md, whose third column lists words that are not used.

ORDINARY = {
    "ask": "a person asks a question",
    "beginning": "of a file, a span or a day",
    "query": "in 'grouped-query attention' and in addresses",
    "round": "numbers are rounded, 'round trip'",
    "line": "of a file or a chart",
    "world": "`analysis.worlds` is a public key",
    "window": "of attention, and of context",
    "as given": "a step time as given",
    "plane": "in 'control plane'",
    "place": "'in place of'",
    "lot": "'a lot of'",
}
"""Words of the third column that have another, ordinary meaning, so that finding one proves
nothing; those noted there as nouns are left out as well."""


def glossary_words() -> list[str]:
    """Return the words of the glossary's third column."""
    words = []
    for line in (ROOT / "docs/glossary.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == 3 and cells[2] not in ("instead of", "---"):
            words += [word.strip() for word in cells[2].split(",") if word.strip()]
    return words


FORBIDDEN = [
    word for word in glossary_words() if word not in ORDINARY and "(as a noun)" not in word
]


def found_words(text: str) -> list[str]:
    """Return the forbidden words in a text, in singular or plural."""
    return [word for word in FORBIDDEN if re.search(rf"\b{re.escape(word)}s?\b", text, re.I)]


def help_texts(command: Any, path: str = "breakeven") -> Iterator[tuple[str, str]]:
    """Yield all texts that ``--help`` shows for a command and those below it."""
    for text in (command.help, command.short_help, command.epilog):
        if text:
            yield path, text
    for parameter in command.params:
        if getattr(parameter, "help", None):
            yield f"{path} {parameter.opts[0]}", parameter.help
    for name, inner in getattr(command, "commands", {}).items():
        yield from help_texts(inner, f"{path} {name}")


def public_names() -> dict[str, list[tuple[str, str]]]:
    """Return package and module of every public class and function at the top of a module."""
    names: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for file in sorted((ROOT / "simulator").rglob("*.py")):
        if "commands" in file.parts and "cli" in file.parts:
            continue  # a command has the name of what it does
        *package, stem = file.relative_to(ROOT / "simulator").with_suffix("").parts
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            is_named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            if is_named and not node.name.startswith("_"):
                names[node.name].append((".".join(package), ".".join([*package, stem])))
    return names


NAMES = public_names()


def test_the_glossary_is_read() -> None:
    words = glossary_words()
    assert {"overtime", "rightness", "letting in"} <= set(FORBIDDEN)
    assert set(ORDINARY) <= set(words), "no longer in the glossary"
    assert len(FORBIDDEN) >= 10


def test_descriptions_use_the_words_of_the_glossary() -> None:
    assert {p: found for p, t in SCHEMA_TEXTS.items() if (found := found_words(t))} == {}


def test_help_uses_the_words_of_the_glossary() -> None:
    texts = list(help_texts(typer.main.get_command(app)))
    assert len(texts) > 150
    assert {path: found for path, text in texts if (found := found_words(text))} == {}


def test_names_use_the_words_of_the_glossary() -> None:
    def spoken(name: str) -> str:
        return re.sub(r"_|(?<=[a-z0-9])(?=[A-Z])", " ", name)

    assert {name: found for name in NAMES if (found := found_words(spoken(name)))} == {}


# Public names: one in two packages means one thing.

ALLOWED = {
    "Autoscale": ("engine.control.controllers", "scenario.schema.fleet"),
    "Cascade": ("analysis.size.kinds.cascade", "scenario.schema.composites"),
    "DatedFactor": ("scenario.schema.volume", "traffic.calendar"),
    "Documents": ("scenario.schema.traffic", "traffic.sessions"),
    "Facts": ("pricing.feeds.feed", "scenario.catalog.offer_schema"),
    "Future": ("economics.future", "scenario.schema.owning"),
    "Gateway": ("engine.spec.plan", "scenario.schema.api"),
    "Interval": ("economics.interval", "scenario.document.base_section"),
    "Listed": ("economics.interval", "scenario.resolve.distributions"),
    "Lognormal": (
        "economics.interval", "scenario.resolve.distributions", "scenario.schema.amounts",
    ),
    "Partner": ("analysis.study.options", "scenario.schema.fleet"),
    "People": ("analysis.study.study", "scenario.schema.scenario"),
    "Pools": ("analysis.size.kinds.pools", "scenario.schema.composites"),
    "Purchase": ("economics.purchase", "scenario.schema.owning"),
    "Quality": ("analysis.study.study", "scenario.schema.composites"),
    "Rebalance": ("engine.control.rebalancing", "scenario.schema.fleet"),
    "Slo": ("analysis.study.study", "scenario.schema.scenario"),
    "Speculation": ("scenario.schema.scenario", "serving.speculation"),
    "Tenants": ("scenario.schema.traffic", "traffic.rate"),
    "Tools": ("scenario.schema.traffic", "traffic.sessions"),
    "Uniform": ("economics.interval", "scenario.resolve.distributions"),
    "calibrate": ("analysis.bench.calibration", "library.benchmarks"),
    "preset_names": ("library.names", "scenario.resolve.presets"),
    "find_break_even": ("analysis.decide.breakeven", "library.decisions"),
    "validate": ("cli.app", "scenario.document.document"),
    "check_answers": ("library.scenarios", "scenario.starter.answers"),
}  # fmt: skip
"""The same idea in two layers: a section of a file and its plain values, what a user configures and
what acts by it, a library call and the function that does its work."""


def test_a_name_in_two_packages_means_one_thing() -> None:
    shared = {
        name: tuple(module for _, module in places)
        for name, places in NAMES.items()
        if len({package for package, _ in places}) > 1
    }
    assert shared == ALLOWED
