"""Options that are made of other options: choices, hybrids of choices, pools, cascades."""

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

from pydantic import ValidationError

from simulator.analysis.simulate.evaluate import reshaping_of, success_rate_of
from simulator.analysis.study.study import (
    ApiOption,
    Cascade,
    Choice,
    HybridOption,
    Option,
    Pools,
    SelfHostOption,
    SingleOption,
)
from simulator.errors import InputError, nearest
from simulator.scenario.document.document import Document, Path_
from simulator.scenario.schema import composites as composite_schema
from simulator.scenario.schema.scenario import SelfHost

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


def hybrid_of(
    name: str, base: SelfHostOption | Choice, make: Callable[[SelfHostOption], HybridOption]
) -> HybridOption | Choice:
    """Return the hybrid of a base, or one of every candidate for it."""
    if isinstance(base, SelfHostOption):
        return make(base)
    candidates = []
    for candidate in base.candidates:
        assert isinstance(candidate, SelfHostOption)
        label = name + candidate.name.removeprefix(base.name)
        candidates.append(replace(make(candidate), name=label))
    return Choice(name, tuple(candidates), (), "hybrid")


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
        if not isinstance(option, ApiOption | SelfHostOption | HybridOption):
            fitting = [n for n, o in built.items() if not isinstance(o, Choice | Pools | Cascade)]
            raise document.fail(
                (*here, place), f"{name!r} is no api, selfhost or hybrid{nearest(name, fitting)}"
            )
        found.append(option)
    return found


def _kind(members: list[SingleOption]) -> str:
    kinds = {member.kind for member in members}
    return kinds.pop() if len(kinds) == 1 else "hybrid"
