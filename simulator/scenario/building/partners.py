"""Several deployments in one option: replicas that serve beside others, or decode for them."""

from dataclasses import replace

from simulator.analysis.study.options import Partner, SelfHostOption
from simulator.engine.spec.plan import Fleet
from simulator.errors import nearest
from simulator.scenario.document.document import Document, Path_
from simulator.scenario.schema.scenario import SelfHost


def with_partners(
    name: str,
    alone: SelfHostOption,
    said: SelfHost,
    document: Document,
    known: dict[str, SelfHostOption],
    workloads: list[str],
) -> SelfHostOption:
    """Return an option, or one of its candidates, with the fleets that it names beside its own.

    Raises
    ------
    InputError
        When a name is unknown, or prompts would be decoded by another model.
    """
    here = ("options", name)
    serves = _served(said.serves, workloads, document, (*here, "serves"))
    fleet = replace(alone.fleet, serves=serves)
    partners = []
    for place, wanted in enumerate(said.partners):
        at = (*here, "partners", place)
        option = _deployment(wanted.option, name, known, document, (*at, "option"))
        serves = _served(wanted.serves, workloads, document, (*at, "serves"))
        beside = replace(_fixed(option, wanted.replicas), serves=serves, weight=wanted.weight)
        partners.append(Partner(replace(option, spare_replicas=0), beside))
    pool = said.decode_pool
    if pool is not None:
        option = _deployment(pool.option, name, known, document, (*here, "decode_pool", "option"))
        if option.kv_bytes_per_tok != alone.kv_bytes_per_tok:
            raise document.fail(
                (*here, "decode_pool", "option"),
                f"{pool.option!r} has another KV cache: prompts cannot be decoded there",
            )
        fleet = replace(
            fleet,
            decode_fleet=1 + len(partners),
            transfer_s=pool.latency_s,
            transfer_token_s=alone.kv_bytes_per_tok / (pool.link_gb_per_s * 1e9),
        )
        decoders = replace(_fixed(option, pool.replicas), serves=frozenset())
        partners.append(Partner(replace(option, spare_replicas=0), decoders))
    return replace(alone, fleet=fleet, partners=tuple(partners))


def _deployment(
    wanted: str, own: str, known: dict[str, SelfHostOption], document: Document, at: Path_
) -> SelfHostOption:
    """The selfhost option of a name, another than the one that names it."""
    if wanted in known and wanted != own:
        return known[wanted]
    fitting = [name for name in known if name != own]
    raise document.fail(at, f"{wanted!r} is no other selfhost option{nearest(wanted, fitting)}")


def _fixed(option: SelfHostOption, replicas: int) -> Fleet:
    """A deployment's fleet at a size that nothing changes."""
    return replace(option.fleet, replicas=replicas, autoscaler=None)


def _served(
    names: list[str] | None, workloads: list[str], document: Document, at: Path_
) -> frozenset[int] | None:
    """Places of workloads by name; None: all."""
    if names is None:
        return None
    for place, name in enumerate(names):
        if name not in workloads:
            raise document.fail((*at, place), f"{name!r} is no workload{nearest(name, workloads)}")
    return frozenset(workloads.index(name) for name in names)
