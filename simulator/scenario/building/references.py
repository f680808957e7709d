"""References of options to other options and to targets: each must name one of a fitting kind."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from simulator.errors import Faults, nearest
from simulator.scenario.document.document import Document, Path_
from simulator.scenario.schema.api import Api, Gateway, LiteLlm, OpenRouter, Portkey
from simulator.scenario.schema.composites import Cascade, Pools
from simulator.scenario.schema.scenario import Hybrid, Option, SelfHost


@dataclass(frozen=True, slots=True)
class Reference:
    """A name of another option in the section of an option."""

    at: Path_
    """Path of the name within the section."""
    name: str
    fits: Callable[[str, dict[str, Option]], bool]
    """Whether the option of a name is of a fitting kind."""
    expected: str
    """What the name should be, for messages."""


def check_references(
    name: str,
    options: dict[str, Option],
    missing: Collection[str],
    document: Document,
    faults: Faults,
) -> list[str] | None:
    """Note the names in an option that do not fit; return the options that it names if all do.

    ``missing`` are the options whose sections are not valid: to name one of them is no fault.
    """
    here = ("options", name)
    used, wrong = [], []
    for reference in _references(name, options[name]):
        if reference.name in missing or (
            reference.name in options and reference.fits(reference.name, options)
        ):
            used.append(reference.name)
            continue
        fitting = [n for n in options if reference.fits(n, options)]
        near = nearest(reference.name, [*fitting, *missing])
        message = f"{reference.name!r} is {reference.expected}{near}"
        wrong.append(document.fail((*here, *reference.at), message))
    for at, target, targets in _targets(options[name]):
        if target not in targets:
            message = f"{target!r} is not among the targets{nearest(target, targets)}"
            wrong.append(document.fail((*here, *at), message))
    for error in wrong:
        faults.add(error)
    return None if wrong else used


def _references(name: str, section: Option) -> Iterator[Reference]:
    """Yield the names of other options in an option."""
    match section:
        case Hybrid():
            yield Reference(("base",), section.base, _is(SelfHost), "no selfhost option")
            yield Reference(("overflow",), section.overflow, _is(Api, Gateway), "no api option")
        case Gateway():
            for k, wanted in enumerate(section.targets):
                yield Reference(("targets", k), wanted, _is(Api), "no api option")
        case SelfHost():
            expected = "not another selfhost option"

            def is_other(wanted: str, options: dict[str, Option]) -> bool:
                option = options[wanted]
                return isinstance(option, SelfHost) and not option.choose and wanted != name

            for k, partner in enumerate(section.partners):
                yield Reference(("partners", k, "option"), partner.option, is_other, expected)
            if section.decode_pool is not None:
                at = ("decode_pool", "option")
                yield Reference(at, section.decode_pool.option, is_other, expected)
        case Pools() | Cascade():
            key = "pools" if isinstance(section, Pools) else "stages"
            for k, wanted in enumerate(getattr(section, key)):
                yield Reference((key, k), wanted, _is_single, "no api, selfhost or hybrid")


def _targets(section: Option) -> Iterator[tuple[Path_, str, list[str]]]:
    """Yield the path and the name of everything that must be among some names of a section."""
    if not isinstance(section, Gateway):
        return
    policy, targets = section.policy, section.targets
    named: dict[str, list[str]] = {}
    match policy:
        case OpenRouter():
            named = {"order": policy.order}
        case LiteLlm():
            named = {
                "fallbacks": policy.fallbacks,
                "weights": list(policy.weights),
                "budgets": list(policy.budgets),
            }
        case Portkey():
            named = {"weights": list(policy.weights)}
            for workload, target in policy.conditions.items():
                yield ("policy", "conditions", workload), target, targets
    for key, names in named.items():
        keyed = isinstance(getattr(policy, key), dict)
        for k, name in enumerate(names):
            yield ("policy", key, name if keyed else k), name, targets


def _is(*kinds: type) -> Callable[[str, dict[str, Option]], bool]:
    return lambda name, options: isinstance(options[name], kinds)


def _is_single(name: str, options: dict[str, Option]) -> bool:
    """Return whether an option is a single one: no choice among several, and no combination."""
    option = options[name]
    if isinstance(option, Hybrid):
        base = options.get(option.base)
        return not (isinstance(base, SelfHost) and base.choose)
    if isinstance(option, SelfHost):
        return not option.choose
    return isinstance(option, Api | Gateway)


def workloads_named_by(option: Option) -> list[str]:
    """Return the workloads that an option names."""
    match option:
        case Api():
            return list(option.served_as) if isinstance(option.served_as, dict) else []
        case SelfHost():
            lists = [option.serves, *(partner.serves for partner in option.partners)]
            return [name for names in lists for name in names or ()]
        case Pools():
            return list(option.assign)
        case Gateway():
            policy = option.policy
            return list(policy.conditions) if isinstance(policy, Portkey) else []
    return []
