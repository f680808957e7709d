"""UsedSeries of the series that count, among those of answers of Prometheus, and their groups."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from simulator.files.text import Source
from simulator.traffic.usage.buckets import Group, Notices
from simulator.traffic.usage.metrics.counters import Recorded, rule_of
from simulator.traffic.usage.metrics.points import refuse
from simulator.traffic.usage.metrics.series import Series
from simulator.traffic.usage.metrics.systems import SYSTEMS, System, without_colons

_COUNTERS = {without_colons(name): (system, name) for system in SYSTEMS for name in system.counters}
_LENGTHS = {
    without_colons(name): (system, name) for system in SYSTEMS for name in system.length_names
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """A series that counts."""

    series: Series
    system: System
    column: str
    group: Group
    rule: Recorded | None = None
    """What the name tells of a recording rule; None for a counter."""


@dataclass(frozen=True, slots=True)
class UsedSeries:
    """All series that count."""

    sums: list[Chosen]
    lengths: list[Chosen]
    """Series of the buckets of histograms, with the column whose lengths they have."""


def chosen_from(series: Sequence[Series], source: Source, notices: Notices) -> UsedSeries:
    """Return the series that count; the others are counted in the notices.

    Raises
    ------
    InputError
        If no series is known.
    """
    found: list[tuple[Series, System, str, Recorded | None]] = []
    unknown: Counter[str] = Counter()
    for one in series:
        rule = rule_of(one.name)
        system, name = _counter_of(one.name, rule)
        if system is None:
            unknown[one.name] += 1
        else:
            found.append((one, system, name, rule))
    lengths = [
        (one, *_LENGTHS[without_colons(one.name)])
        for one in series
        if without_colons(one.name) in _LENGTHS
    ]
    for name, count in unknown.items():
        if without_colons(name) not in _LENGTHS:
            notices.leave_out(f"series of {name}", count)
    if not found:
        systems = ", ".join(system.name for system in SYSTEMS)
        line = series[0].line if series else 1
        refuse(source, line, f"no counter of {systems} such as {SYSTEMS[0].counters[0]}")
    groups = _Groups([(one, system) for one, system, *_ in found] + [(s, y) for s, y, _ in lengths])
    groups.remark(notices)
    return UsedSeries(
        _preferred(found, groups, notices),
        [
            Chosen(one, system, system.length_names[name], groups.of(one, system))
            for one, system, name in lengths
        ],
    )


def _counter_of(name: str, rule: Recorded | None) -> tuple[System | None, str]:
    """Return the system of a counter, and its name as the system exports it."""
    if rule is None:
        return _COUNTERS.get(without_colons(name), (None, ""))
    metric = without_colons(rule.metric)
    for known, (system, exported) in _COUNTERS.items():
        for form in (known, known.removesuffix("_total")):
            if metric == form or metric.endswith(f"_{form}"):
                return system, exported
    return None, ""


def _preferred(
    found: Iterable[tuple[Series, System, str, Recorded | None]],
    groups: "_Groups",
    notices: Notices,
) -> list[Chosen]:
    """Return one counter for each system and column: the first of those that there are."""
    by_name: dict[tuple[str, str], list[tuple[Series, Recorded | None]]] = {}
    for one, system, name, rule in found:
        by_name.setdefault((system.name, name), []).append((one, rule))
    chosen = []
    for system in SYSTEMS:
        for column, names in system.sums.items():
            present = [name for name in names if (system.name, name) in by_name]
            for name in present[1:]:
                count = len(by_name[system.name, name])
                notices.leave_out(f"series of {name}, which {present[0]} counts as well", count)
            members = by_name[system.name, present[0]] if present else []
            exact = [(one, rule) for one, rule in members if rule is None]
            if exact and len(exact) < len(members):
                text = f"series of recording rules of {present[0]}, which is there itself"
                notices.leave_out(text, len(members) - len(exact))
            for one, rule in exact or members:
                group = groups.of(one, system)
                chosen.append(Chosen(one, system, column, group, rule))
    return chosen


class _Groups:
    """Groups by the labels that all series of a system have."""

    def __init__(self, members: Iterable[tuple[Series, System]]) -> None:
        self._labels: dict[str, set[str]] = {}
        self._systems: dict[str, System] = {}
        for one, system in members:
            names = set(one.labels)
            self._labels[system.name] = self._labels.get(system.name, names) & names
            self._systems[system.name] = system

    def of(self, series: Series, system: System) -> Group:
        """Return the group of a series."""
        return Group(
            self._value(series, system, system.models),
            system.name,
            self._value(series, system, system.projects),
            self._value(series, system, system.keys),
        )

    def _value(self, series: Series, system: System, names: Sequence[str]) -> str:
        common = self._labels[system.name]
        value = next((series.labels[name] for name in names if name in common), "")
        return "" if value == "None" else value  # LiteLLM writes None for what is unknown.

    def remark(self, notices: Notices) -> None:
        """Note what the labels cannot tell."""
        for name, system in self._systems.items():
            if not self._labels[name] & set(system.models):
                notices.remark(f"The metrics of {name} do not name the model.")
        if len(self._systems) > 1:
            notices.remark(
                f"There are metrics of {' and '.join(sorted(self._systems))}: calls that pass "
                "through several of them are counted in each."
            )
