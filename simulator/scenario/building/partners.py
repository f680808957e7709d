"""Several deployments in one option: partners that serve alongside its own, or decode for them."""

from dataclasses import replace

from simulator.analysis.study.options import Partner, SelfHostOption
from simulator.engine.spec.plan import Fleet
from simulator.errors import Faults, nearest
from simulator.scenario.document.document import Document, Path_
from simulator.scenario.schema.scenario import SelfHost


def with_partners(
    name: str,
    own: SelfHostOption,
    section: SelfHost,
    document: Document,
    deployments: dict[str, SelfHostOption],
    workloads: list[str],
) -> SelfHostOption:
    """Return an option, or one of its candidates, together with the fleets of its partners.

    Raises
    ------
    InputError
        When a workload is unknown, or the decode pool has another KV cache.
    """
    here = ("options", name)
    faults = Faults()
    serves: frozenset[int] | None = None
    with faults.collected():
        serves = _workload_indices(section.serves, workloads, document, (*here, "serves"))
    fleet = replace(own.fleet, serves=serves)
    partners = []
    for index, partner in enumerate(section.partners):
        at = (*here, "partners", index)
        option = deployments[partner.option]
        with faults.collected():
            serves = _workload_indices(partner.serves, workloads, document, (*at, "serves"))
        partner_fleet = _fixed_fleet(option, partner.replicas)
        partner_fleet = replace(partner_fleet, serves=serves, weight=partner.weight)
        partners.append(Partner(replace(option, spare_replicas=0), partner_fleet))
    pool = section.decode_pool
    if pool is not None:
        pool_at = (*here, "decode_pool", "option")
        option = deployments[pool.option]
        if option.kv_bytes_per_tok != own.kv_bytes_per_tok:
            problem = f"{pool.option!r} has another KV cache: prompts cannot be decoded there"
            faults.add(document.fail(pool_at, problem))
        fleet = replace(
            fleet,
            decode_fleet=1 + len(partners),
            transfer_s=pool.latency_s,
            transfer_token_s=own.kv_bytes_per_tok / (pool.link_gb_per_s * 1e9),
        )
        decode_fleet = replace(_fixed_fleet(option, pool.replicas), serves=frozenset())
        partners.append(Partner(replace(option, spare_replicas=0), decode_fleet))
    faults.check()
    return replace(own, fleet=fleet, partners=tuple(partners))


def _fixed_fleet(option: SelfHostOption, replicas: int) -> Fleet:
    """Return a deployment's fleet at a fixed size, without autoscaling."""
    return replace(option.fleet, replicas=replicas, autoscaler=None)


def _workload_indices(
    names: list[str] | None, workloads: list[str], document: Document, at: Path_
) -> frozenset[int] | None:
    """Return the indices of workloads by name; None means all."""
    if names is None:
        return None
    faults = Faults()
    for index, name in enumerate(names):
        if name not in workloads:
            problem = f"{name!r} is not a workload{nearest(name, workloads)}"
            faults.add(document.fail((*at, index), problem))
    faults.check()
    return frozenset(workloads.index(name) for name in names)
