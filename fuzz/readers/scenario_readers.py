"""Readers of scenarios, the files that they name, settings, and hardware profiles."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from fuzz.cases import Reader, Sample, Unusable
from fuzz.commands import argument, command, given, texts
from fuzz.samples import (
    TINY,
    csv_sample,
    json_sample,
    profile_samples,
    scenario_samples,
    text_samples,
    yaml_file,
)
from simulator.errors import InputError
from simulator.scenario.catalog import price_book, profiles, serving_profile
from simulator.scenario.document.shipped import profiles_dir
from simulator.scenario.schema import owning as owning_schema

_SETTINGS = (
    "start=2026-11-30", "seed=3", "horizon_hours=336", "slo.ttft_s=500ms", "name=other",
    "traffic.support.requests_per_month=10M", "traffic.support.turns={mean: 3}",
    "traffic.support.gap_s={median: 60s, sigma: 1.2, most: 1h}", "options.own-h100.replicas=2",
    "options.own-h100.rent_usd_per_gpu_hour={low: 1.5, mid: 2, high: 3}",
    "options.other={kind: api, offer: openai/gpt-6.1-terra}", "traffic.support.preset=rag",
    "people.engineers_fte={low: 0.2, mid: 0.5, high: 1}", "analysis.volumes=[0.5, 1, 2]",
    "options.hybrid=null", "slo.percentiles={ttft_s: p95}", "future.months=24", "less",
)  # fmt: skip
_VALUES = {
    "seed": 3, "slo.ttft_s": "500ms", "traffic.support.turns": {"mean": 3},
    "traffic.support.requests_per_month": "10M", "start": "2026-11-30", "name": "other",
    "analysis.volumes": [0.5, 1, 2], "people.engineers_fte": {"low": 0.2, "mid": 0.5, "high": 1},
    "options.own-h100.replicas": "auto",
}  # fmt: skip
_GRID = {
    "traffic.support.requests_per_month": ["1M", "3.2/s"],
    "slo.ttft_s": {"first": 1, "last": "4s", "count": 2, "spacing": "steps"},
    "options.own-h100.replicas": [1],
}
_CHILD = """\
extends: {base}
name: child
traffic: {{support: {{requests_per_month: 5M}}}}
people: {{engineers_fte: 1}}
"""
_REPLAY = """\
traffic:
  support: {{kind: replay, path: {log}}}
"""


def _validate(path: Path, out: Path) -> None:
    """Check a scenario, and write it in resolved form as runs and sweeps do."""
    command("validate", path)
    from simulator.scenario.building.study import load
    from simulator.scenario.resolve.load import fingerprint, resolved_yaml

    loaded = load(path)
    resolved_yaml(loaded.scenario, loaded.document)
    fingerprint(loaded.scenario, loaded.document, loaded.study.provenance)


def _extend(path: Path, out: Path) -> None:
    """Check a scenario that extends a file."""
    child = path.with_name("child.yaml")
    child.write_text(_CHILD.format(base=path.name), encoding="utf-8")
    _validate(child, out)


def _set(path: Path, out: Path) -> None:
    command("validate", "quickstart", "--set", argument(path))


def _values(path: Path, out: Path) -> None:
    """Change values of a scenario as scripts do."""
    from simulator import load_scenario

    values = given(path)
    if not isinstance(values, dict):
        raise Unusable("no mapping")
    load_scenario("quickstart", values)


def _grid(path: Path, out: Path) -> None:
    """Build the points of a sweep."""
    from simulator.scenario.document.document import with_values
    from simulator.scenario.resolve.load import read_document
    from simulator.scenario.variations.sweep import read_sweep, sweep_points

    document = with_values(read_document("quickstart"), {"sweep": {"grid": given(path)}})
    sweep_points(document, read_sweep(document))


def _axis(path: Path, out: Path) -> None:
    """Use a number of a scenario as the axis of a break-even."""
    from simulator.scenario.building.study import load
    from simulator.scenario.variations.axis import Along, scenario_axis

    axis, _, ends = argument(path).partition(" ")
    low, _, high = ends.partition(" ")
    try:
        limits = float(low), float(high)
    except ValueError:
        raise Unusable("no ends") from None
    loaded = load("quickstart")
    scenario_axis(loaded.scenario, Along(loaded.variations, axis), *limits)


def _generate(path: Path, out: Path) -> None:
    """Build the sessions of a preset with a changed value, at some volume."""
    from simulator.scenario.resolve.quantities import in_unit
    from simulator.scenario.starter.generator import workloads_of

    volume, _, setting = argument(path).partition(" ")
    float(in_unit(("requests_per_month",), volume))
    workloads_of("chat", 1e6, [setting], 1)


def _quantity(path: Path, out: Path) -> None:
    from simulator.scenario.resolve.quantities import in_unit

    text = argument(path)
    for key in ("within_s", "attainment", "most"):
        with suppress(InputError):
            in_unit((key,), text)
    in_unit(("requests_per_month",), text)


def _scenario_with(text: str, path: Path, out: Path) -> None:
    """Check a scenario that names a file."""
    scenario = path.with_name("scenario.yaml")
    scenario.write_text(text.format(log=path.name), encoding="utf-8")
    command("validate", scenario)


def _new(path: Path, out: Path) -> None:
    """Write a new scenario from the options of the command."""
    options = texts(given(path))
    # A user may choose any target; here only its name is used, within the output folder.
    target = out / (Path(options.pop("target", "")).name or "new.yaml")
    flags = [part for name, text in options.items() for part in (f"--{name}", text)]
    command("new", target, "--force", *flags)
    # A new scenario is checked before it is written, so that it must be valid.
    command("validate", target)


@contextmanager
def _profiles_in(folder: Path) -> Iterator[None]:
    """Use hardware profiles from another folder, and clear the caches afterwards."""
    for file in profiles_dir().glob("*.yaml"):
        if not (folder / file.name).exists():
            (folder / file.name).symlink_to(file)
    modules = (profiles, serving_profile, owning_schema)
    try:
        with ExitStack() as stack:
            for module in modules:
                stack.enter_context(patch.object(module, "profiles_dir", lambda: folder))
            _clear_caches()
            yield
    finally:
        _clear_caches()


def _clear_caches() -> None:
    """Clear the caches of profiles and prices."""
    for module in (profiles, serving_profile, owning_schema, price_book):
        for value in vars(module).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()


def _profile(path: Path, out: Path) -> None:
    """List the profiles of a file, and build scenarios with them."""
    with _profiles_in(path.parent):
        kind = path.stem
        if kind in ("accelerators", "appliances"):
            command("hardware", "list", "--output", "json")
        elif kind == "models":
            command("models", "list")
        command("validate", "quickstart")
        command("validate", "buy-or-rent")


def _offers(path: Path, out: Path) -> None:
    """Read the behaviour of offers from a file instead of the shipped one."""
    with patch.object(price_book, "OVERLAYS", (path, price_book.OVERLAYS[1])):
        _clear_caches()
        try:
            command("prices", "list", "fireworks", "--output", "json")
            command("validate", "quickstart")
        finally:
            _clear_caches()


_STARTS = (
    {"offer": "openai/gpt-6.1-terra", "model": "llama-3.3-70b", "gpu": "h100-sxm",
     "preset": "chat", "requests-per-month": "10M", "ttft": "2s", "tpot": "60ms",
     "engineers": "0.5", "target": "mine.yaml"},
)  # fmt: skip


def _tiny_with(section: str) -> str:
    """Return a format string of the tiny scenario with another traffic section."""
    escaped = TINY.replace("{", "{{").replace("}", "}}")
    begin, end = escaped.index("traffic:"), escaped.index("slo:")
    return escaped[:begin] + section + escaped[end : escaped.index("overrides:")]


def _rent_scenario() -> str:
    from simulator.scenario.document.shipped import shipped_scenarios

    text = shipped_scenarios()["quickstart"].read_text().replace("{", "{{").replace("}", "}}")
    rent = "future:\n  months: 24\n  rent_path: {{kind: csv, file: {log}}}\n"
    return text + rent


def readers() -> tuple[Reader, ...]:
    """Return the readers of scenarios and their parts."""
    log = csv_sample("log.csv", ["arrival_s", "input_tokens", "output_tokens"],
                     *([k, 30 + k, 5] for k in range(5)))  # fmt: skip
    rents = csv_sample("rents.csv", ["month", "usd_per_gpu_hour"], [0, 2.5], [12, 2.0], [24, 1.5])
    offers = yaml_file("offers.yaml", price_book.OVERLAYS[0].read_bytes())
    parts: list[tuple[str, Callable[[], tuple[Sample, ...]], Callable[[Path, Path], None]]] = [
        ("settings", lambda: text_samples(*_SETTINGS[:-1]), _set),
        ("values", lambda: (json_sample("values.json", _VALUES),), _values),
        ("sweep-grid", lambda: (json_sample("grid.json", _GRID),), _grid),
        ("axis", lambda: text_samples("traffic.support.requests_per_month 1e5 1e7",
                                      "slo.ttft_s 0.5 4"), _axis),
        ("generate", lambda: text_samples("10M turns={mean: 2}", "3.2/s message_tokens=30"),
         _generate),
        ("quantity", lambda: text_samples("10M", "1e6"), _quantity),
        ("scenario-log", lambda: (log,), partial(_scenario_with, _tiny_with(_REPLAY))),
        ("scenario-rents", lambda: (rents,), partial(_scenario_with, _rent_scenario())),
        ("new", lambda: tuple(json_sample("new.json", start) for start in _STARTS), _new),
    ]  # fmt: skip
    kinds = ("accelerators", "appliances", "models", "serving", "owning")
    return (
        Reader("scenario", scenario_samples, _validate, placed=True),
        Reader("scenario-extended", _quickstart, _extend, placed=True),
        *(Reader(*part) for part in parts),
        Reader("offers-file", lambda: (offers,), _offers, slow=True),
        *(
            Reader(f"profile-{kind}", partial(profile_samples, kind), _profile, slow=True)
            for kind in kinds
        ),
    )


def _quickstart() -> tuple[Sample, ...]:
    """Return the scenarios with the workload that ``_CHILD`` changes."""
    samples: list[Any] = [s for s in scenario_samples() if b"\n  support:" in s.data]
    return tuple(samples)
