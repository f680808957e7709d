"""Options that are made of other options: choices, hybrids, pools, cascades."""

import re
from collections.abc import Callable
from itertools import product
from typing import Any

from pydantic import ValidationError

from simulator.analysis.simulate.evaluate import reshaping_of, success_rate_of
from simulator.analysis.size.kinds.cascade import Cascade
from simulator.analysis.size.kinds.choice import Choice
from simulator.analysis.size.kinds.pools import Pools
from simulator.analysis.study.options import (
    ApiOption,
    HybridOption,
    Option,
    Rebalancing,
    SelfHostOption,
    SingleOption,
)
from simulator.errors import Faults, InputError, nearest
from simulator.scenario.document.document import Document, Path_
from simulator.scenario.document.problems import KnownFaults, problems_of
from simulator.scenario.schema import composites as composite_schema
from simulator.scenario.schema.scenario import Hybrid, SelfHost

_LOCATION = re.compile(r"^(\S+:\d+:\d+|--set \S+): ")
"""Location at the start of an error message, which the reason for a candidate does not repeat."""

_FIXED = ("kind", "choose", "partners", "decode_pool", "serves")
"""Keys that are the same for all candidates."""

MOST_CANDIDATES = 500
"""Largest number of combinations; more are probably a mistake."""


def choice(
    name: str,
    section: SelfHost,
    document: Document,
    build: Callable[[str, SelfHost], SelfHostOption],
) -> Choice:
    """Build an option for every combination of a deployment's values.

    Raises
    ------
    InputError
        When a key or a value is unknown, or no combination can be built.
    """
    location = ("options", name, "choose")
    assert section.choose is not None
    values = section.choose.__pydantic_extra__
    plain = section.model_dump(exclude={"choose"})
    values = _checked_values(values, plain, document, location)
    combinations = list(product(*values.values()))
    if len(combinations) > MOST_CANDIDATES:
        raise document.fail(
            location, f"{len(combinations)} combinations, at most {MOST_CANDIDATES}"
        )
    candidates, impossible = [], []
    for combination in combinations:
        change = dict(zip(values, combination, strict=True))
        label = f"{name}: {' '.join(_short_value(key, value) for key, value in change.items())}"
        try:
            candidates.append(build(label, SelfHost.model_validate(plain | change)))
        except ValidationError as error:
            at, problem = next(problems_of(SelfHost, plain | change, error, KnownFaults()))
            raise document.fail((*location, *at[:1]), problem) from None
        except InputError as error:
            impossible.append((label, _LOCATION.sub("", error.errors[0])))
    if not candidates:
        reason = f"no combination can be built; {impossible[0][0]}: {impossible[0][1]}"
        raise document.fail(location, reason)
    return Choice(name, tuple(candidates), tuple(impossible), "selfhost")


def _checked_values(
    values: dict[str, list[Any]], plain: dict[str, Any], document: Document, location: Path_
) -> dict[str, list[Any]]:
    """Return the values to try, with names as those of profiles, after checking each by itself."""
    valid = [key for key in SelfHost.model_fields if key not in _FIXED]
    faults = Faults()
    checked: dict[str, list[Any]] = {}
    for key, listed in values.items():
        if key not in valid:
            problem = f"unknown key {key!r}{nearest(key, valid)}"
            faults.add(document.fail((*location, key), problem))
            continue
        checked[key] = []
        for value in listed:
            try:
                section = SelfHost.model_validate(plain | {key: value})
            except ValidationError as error:
                for _, problem in problems_of(SelfHost, plain | {key: value}, error, KnownFaults()):
                    faults.add(document.fail((*location, key), problem))
            else:
                name = getattr(section, key)
                checked[key].append(name if isinstance(value, str) else value)
    faults.check()
    return checked


def _short_value(key: str, value: Any) -> str:
    """Return a candidate's value in a form short enough for its name."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return f"{key}={','.join(str(v) for v in value.values())}"
    short = {"gpus_per_replica": "{}x", "replicas": "{} replicas"}.get(key, f"{key}={{}}")
    return short.format("none" if value is None else value)


def hybrid(
    name: str, section: Hybrid, document: Document, built: dict[str, Option], attempts: int
) -> HybridOption | Choice:
    """Build a hybrid of a base and an API, or one for each candidate of the base.

    Raises
    ------
    InputError
        When the two sides would answer the same requests differently.
    """
    base, overflow = built[section.base], built[section.overflow]
    assert isinstance(overflow, ApiOption)
    faults, at = Faults(), ("options", name, "overflow")
    if reshaping_of(overflow) != reshaping_of(base.parts[0]):
        problem = "output_factor, split_prompts and retrieve must be those of the base"
        faults.add(document.fail(at, problem))
    rates = {success_rate_of(part) for part in (overflow, *base.parts)}
    if attempts > 1 and len(rates) > 1:
        problem = "with quality.attempts, success_rate must be that of the base"
        faults.add(document.fail(at, problem))
    faults.check()
    rule = Rebalancing(**section.rebalance.model_dump()) if section.rebalance else None

    def make(own: SelfHostOption, name: str) -> HybridOption:
        return HybridOption(
            name,
            own,
            overflow,
            None if section.replicas == "auto" else section.replicas,
            None if section.spill_in_flight == "auto" else section.spill_in_flight,
            rule,
        )

    if isinstance(base, SelfHostOption):
        return make(base, name)
    owns = [part.own for part in base.parts]
    labels = (name + part.name.removeprefix(base.name) for part in base.parts)
    hybrids = (make(own, label) for own, label in zip(owns, labels, strict=True) if own)
    return Choice(name, tuple(hybrids), (), "hybrid")


def pools(
    name: str,
    section: composite_schema.Pools,
    document: Document,
    built: dict[str, Option],
    workloads: list[str],
) -> Pools:
    """Build pools of options that are already built."""
    location = ("options", name)
    members = _members(section.pools, built)
    faults = Faults()
    for workload, pool in section.assign.items():
        key_location = (*location, "assign", workload)
        if workload not in workloads:
            problem = f"{workload!r} is no workload{nearest(workload, workloads)}"
            faults.add(document.fail(key_location, problem))
        if pool not in section.pools:
            hint = nearest(pool, section.pools)
            problem = f"{pool!r} is no pool of this option{hint}"
            faults.add(document.fail(key_location, problem))
    faults.check()
    assigned = (section.assign.get(workload) for workload in workloads)
    assignment = tuple(None if pool is None else section.pools.index(pool) for pool in assigned)
    return Pools(name, tuple(members), assignment, _kind(members))


def cascade(
    name: str, section: composite_schema.Cascade, document: Document, built: dict[str, Option]
) -> Cascade:
    """Build a cascade of options that are already built."""
    location = ("options", name, "stages")
    members = _members(section.stages, built)
    faults = Faults()
    for index, member in enumerate(members):
        if success_rate_of(member) is None:
            key_location = (*location, index)
            problem = f"{member.name!r} has no success_rate to check answers by"
            faults.add(document.fail(key_location, problem))
        reshaping = reshaping_of(member)
        if reshaping is not None and reshaping.split_above_tok is not None:
            key_location = (*location, index)
            problem = f"{member.name!r} splits prompts, so there is no single answer to check"
            faults.add(document.fail(key_location, problem))
    faults.check()
    return Cascade(name, tuple(members), _kind(members))


def _members(names: list[str], built: dict[str, Option]) -> list[SingleOption]:
    """Return the options of some names, which ``references`` has checked to be single ones."""
    return [option for name in names if isinstance(option := built[name], SingleOption)]


def _kind(members: list[SingleOption]) -> str:
    """Return the kind that all members have, else ``hybrid``."""
    kinds = {member.kind for member in members}
    return kinds.pop() if len(kinds) == 1 else "hybrid"
