"""The table of builders: the function that builds an option, for each kind of section.

Options may name others, so they are built in stages: an option names only options of earlier
stages.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from simulator.analysis.size.kinds.choice import Choice
from simulator.analysis.study.options import ApiOption, Option, SelfHostOption
from simulator.errors import Faults
from simulator.scenario.building.composites import cascade, choice, hybrid, pools
from simulator.scenario.building.endpoints import Clock, api_option
from simulator.scenario.building.gateways import gateway_option
from simulator.scenario.building.partners import with_partners
from simulator.scenario.building.references import check_references
from simulator.scenario.building.selfhost import self_host_option
from simulator.scenario.catalog.price_book import PriceBook
from simulator.scenario.document.document import Document
from simulator.scenario.schema.api import Api, Gateway
from simulator.scenario.schema.composites import Cascade, Pools
from simulator.scenario.schema.scenario import Hybrid, Scenario, SelfHost


@dataclass(slots=True)
class Site:
    """Inputs of the builders, and the options built so far."""

    document: Document
    book: PriceBook
    clock: Clock
    contents: dict[str, str]
    """Kind of output of each workload, by the workload's name."""
    attempts: int
    """Largest number of calls of one model for one request."""
    provenance: dict[str, dict[str, str]]
    built: dict[str, Option] = field(default_factory=dict)
    """Options by name."""
    deployments: dict[str, SelfHostOption] = field(default_factory=dict)
    """Self-hosted options by name, without their partners."""

    @property
    def workloads(self) -> list[str]:
        """Names of the workloads, in their order."""
        return list(self.contents)


def build_options(
    scenario: Scenario,
    document: Document,
    book: PriceBook,
    clock: Clock,
    contents: dict[str, str],
    provenance: dict[str, dict[str, str]],
    faults: Faults,
    missing: Collection[str] = (),
) -> dict[str, Option]:
    """Build all options of a scenario, and record the sources of their numbers.

    Values that cannot be built are noted with their locations. An option that names one with a
    fault, or one that is ``missing`` because its section is not valid, is not built, either.
    """
    attempts = scenario.quality.attempts if scenario.quality else 1
    site = Site(document, book, clock, contents, attempts, provenance)
    broken = set(missing)
    named = {
        name: check_references(name, scenario.options, missing, document, faults)
        for name in scenario.options
    }
    for stage in STAGES:
        for name, section in scenario.options.items():
            build = stage.get(type(section))
            if build is None or name in broken:
                continue
            used = named[name]
            depends = build not in INDEPENDENT
            if depends and (used is None or not broken.isdisjoint(used)):
                broken.add(name)
                continue
            option = faults.attempt(partial(build, name, section, site))
            if option is None:
                broken.add(name)
            else:
                site.built[name] = option
    return site.built


def _api(name: str, section: Api, site: Site) -> ApiOption:
    at = ("options", name, "offer")
    found = site.document.made(at, lambda: site.book.find(section.offer, section.region))
    section = section.model_copy(update={"offer": found.offer, "region": found.region})
    option = api_option(name, section, site.book, site.clock, site.contents, site.document)
    site.provenance["prices"][section.offer] = _source(site.book, section)
    return option


def _source(book: PriceBook, section: Api) -> str:
    card, source = book.card(section.offer), book.simulated(section.offer).source
    parts = (f"{card.source}, as of {card.as_of}", "" if source in card.source else source)
    return "; ".join(part for part in parts if part)


def _self_hosted(name: str, section: SelfHost, site: Site) -> Option:
    """Build a deployment, or every candidate for it, without the fleets of partners."""

    def deploy(name: str, section: SelfHost) -> SelfHostOption:
        hardware = site.provenance["hardware"]
        return self_host_option(name, section, site.document, site.clock, hardware)

    if section.choose:
        return choice(name, section, site.document, deploy)
    site.deployments[name] = deploy(name, section)
    return site.deployments[name]


def _add_partners(name: str, section: SelfHost, site: Site) -> Option:
    """Add the fleets of partners to a deployment, or to every candidate for it."""

    def join(option: SelfHostOption) -> SelfHostOption:
        return with_partners(name, option, section, site.document, site.deployments, site.workloads)

    option = site.built[name]
    if not section.partners and section.decode_pool is None and section.serves is None:
        return option
    if isinstance(option, Choice):
        candidates = (candidate.own for candidate in option.candidates)
        return replace(option, candidates=tuple(map(join, candidates)))
    assert isinstance(option, SelfHostOption)
    return join(option)


def _gateway(name: str, section: Gateway, site: Site) -> ApiOption:
    members = [site.built[target] for target in section.targets]
    span_s = site.clock.end_s - site.clock.begin_s
    return site.document.made(
        ("options", name, "policy"),
        lambda: gateway_option(
            name,
            section,
            [member for member in members if isinstance(member, ApiOption)],
            tuple(site.contents),
            span_s,
        ),
    )


def _hybrid(name: str, section: Hybrid, site: Site) -> Option:
    return hybrid(name, section, site.document, site.built, site.attempts)


def _pools(name: str, section: Pools, site: Site) -> Option:
    return pools(name, section, site.document, site.built, site.workloads)


def _cascade(name: str, section: Cascade, site: Site) -> Option:
    return cascade(name, section, site.document, site.built)


Build = Callable[[str, Any, Site], Option]
"""Builds an option from its name and its section."""

STAGES: tuple[dict[type, Build], ...] = (
    {Api: _api, SelfHost: _self_hosted},
    {SelfHost: _add_partners, Gateway: _gateway},
    {Hybrid: _hybrid},
    {Pools: _pools, Cascade: _cascade},
)
INDEPENDENT: tuple[Build, ...] = (_api, _self_hosted)
"""Builders that need no other option."""
