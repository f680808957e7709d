"""Options that are made of other options: choices, hybrids of choices, pools, cascades."""

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
from simulator.errors import InputError, nearest
from simulator.scenario.document.document import Document, Path_
from simulator.scenario.schema import composites as composite_schema
from simulator.scenario.schema.scenario import Hybrid, SelfHost

_PLACE = re.compile(r"^(\S+:\d+:\d+|--set \S+): ")
"""What names the place of an error, which a reason needs not."""

_FIXED = ("kind", "choose", "partners", "decode_pool", "serves")
"""Keys that are the same for all candidates."""

MOST_CANDIDATES = 500
"""More combinations than that are more likely a slip than a plan."""


def choice(
    name: str, said: SelfHost, document: Document, build: Callable[[str, SelfHost], SelfHostOption]
) -> Choice:
    """Build every combination of a deployment's values.

    Raises
    ------
    InputError
        When a key or a value is unknown, or nothing can be built of any combination.
    """
    here = ("options", name, "choose")
    assert said.choose is not None
    values = said.choose.__pydantic_extra__
    _check_keys(values, document, here)
    combinations = list(product(*values.values()))
    if len(combinations) > MOST_CANDIDATES:
        raise document.fail(here, f"{len(combinations)} combinations, at most {MOST_CANDIDATES}")
    plain = said.model_dump(exclude={"choose"})
    candidates, impossible = [], []
    for combination in combinations:
        change = dict(zip(values, combination, strict=True))
        label = f"{name}: {' '.join(_said(key, value) for key, value in change.items())}"
        try:
            candidates.append(build(label, SelfHost.model_validate(plain | change)))
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            place = (*here, *problem["loc"][:1])
            raise document.fail(place, problem["msg"]) from None
        except InputError as error:
            reason = _PLACE.sub("", str(error))
            if reason.startswith("unknown"):
                raise document.fail(here, reason) from None
            impossible.append((label, reason))
    if not candidates:
        raise document.fail(here, f"nothing fits: {impossible[0][0]}: {impossible[0][1]}")
    return Choice(name, tuple(candidates), tuple(impossible), "selfhost")


def _check_keys(values: dict[str, list[Any]], document: Document, here: Path_) -> None:
    known = [key for key in SelfHost.model_fields if key not in _FIXED]
    for key in values:
        if key not in known:
            raise document.fail((*here, key), f"unknown key {key!r}{nearest(key, known)}")


def _said(key: str, value: Any) -> str:
    """A candidate's value, short enough for a name that still tells what it is."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return f"{key}={','.join(str(v) for v in value.values())}"
    short = {"gpus_per_replica": "{}x", "replicas": "{} replicas"}.get(key, f"{key}={{}}")
    return short.format("none" if value is None else value)


def hybrid(
    name: str, section: Hybrid, document: Document, built: dict[str, Option], attempts: int
) -> HybridOption | Choice:
    """Build a hybrid of a base and an API, or of every candidate for the base.

    Raises
    ------
    InputError
        When a name is unknown, or the two sides would not answer the same requests alike.
    """
    base, overflow = built.get(section.base), built.get(section.overflow)
    for key, wanted, side, kind in (
        ("base", section.base, base, "selfhost"),
        ("overflow", section.overflow, overflow, "api"),
    ):
        if side is None or side.kind != kind:
            fitting = [n for n, o in built.items() if o.kind == kind]
            raise document.fail(
                ("options", name, key), f"{wanted!r} is no {kind} option{nearest(wanted, fitting)}"
            )
    assert base is not None
    assert isinstance(overflow, ApiOption)
    if reshaping_of(overflow) != reshaping_of(base.parts[0]):
        raise document.fail(
            ("options", name, "overflow"),
            "output_factor, split_prompts and retrieve must be those of the base",
        )
    rates = {success_rate_of(part) for part in (overflow, *base.parts)}
    if attempts > 1 and len(rates) > 1:
        raise document.fail(
            ("options", name, "overflow"),
            "with quality.attempts, success_rate must be that of the base",
        )
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
    said: composite_schema.Pools,
    document: Document,
    built: dict[str, Option],
    workloads: list[str],
) -> Pools:
    """Build pools of options that are built."""
    here = ("options", name)
    members = _members(said.pools, built, document, (*here, "pools"))
    for workload, pool in said.assign.items():
        at = (*here, "assign", workload)
        if workload not in workloads:
            raise document.fail(at, f"{workload!r} is no workload{nearest(workload, workloads)}")
        if pool not in said.pools:
            raise document.fail(at, f"{pool!r} is no pool of it{nearest(pool, said.pools)}")
    assigned = (said.assign.get(workload) for workload in workloads)
    places = tuple(None if pool is None else said.pools.index(pool) for pool in assigned)
    return Pools(name, tuple(members), places, _kind(members))


def cascade(
    name: str, said: composite_schema.Cascade, document: Document, built: dict[str, Option]
) -> Cascade:
    """Build a cascade of options that are built."""
    here = ("options", name, "stages")
    members = _members(said.stages, built, document, here)
    for place, member in enumerate(members):
        if success_rate_of(member) is None:
            at = (*here, place)
            raise document.fail(at, f"{member.name!r} has no success_rate to check answers by")
        how = reshaping_of(member)
        if how is not None and how.split_above_tok is not None:
            at = (*here, place)
            raise document.fail(at, f"{member.name!r} splits prompts: which answer is checked?")
    return Cascade(name, tuple(members), _kind(members))


def _members(
    wanted: list[str], built: dict[str, Option], document: Document, here: Path_
) -> list[SingleOption]:
    found: list[SingleOption] = []
    for place, name in enumerate(wanted):
        option = built.get(name)
        if not isinstance(option, SingleOption):
            fitting = [n for n, o in built.items() if isinstance(o, SingleOption)]
            raise document.fail(
                (*here, place), f"{name!r} is no api, selfhost or hybrid{nearest(name, fitting)}"
            )
        found.append(option)
    return found


def _kind(members: list[SingleOption]) -> str:
    kinds = {member.kind for member in members}
    return kinds.pop() if len(kinds) == 1 else "hybrid"
