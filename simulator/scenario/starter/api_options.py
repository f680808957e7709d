"""API options of a new scenario: the offers that are asked for, and what serves the calls today."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from simulator.errors import Faults
from simulator.scenario.catalog.price_book import PriceBook
from simulator.scenario.starter.answers import Answers, known_offer
from simulator.scenario.starter.serving_offers import ServingOffer
from simulator.scenario.starter.traffic_text import TrafficSection

TODAY = "today"
"""Name of the gateway that sends each workload to the offer that serves it today."""


@dataclass(frozen=True, slots=True)
class ApiPart:
    """One option of an offer, as it is written."""

    name: str
    offer: str
    behaves_like: str | None = None
    compared: bool = True
    served_as: dict[str, str] = field(default_factory=dict)
    """Context of workloads that are not served as standard."""


@dataclass(frozen=True, slots=True)
class ApiParts:
    """All API options."""

    offers: tuple[ApiPart, ...]
    conditions: dict[str, str]
    """Option that serves each workload of the gateway ``TODAY``; empty without that gateway."""

    @property
    def overflow(self) -> str | None:
        """Name of the option to which a hybrid sends what its own replicas cannot take."""
        if self.conditions:
            return TODAY
        compared = [part.name for part in self.offers if part.compared]
        return compared[-1] if compared else None


def api_parts(answers: Answers) -> ApiParts:
    """Return the API options of a scenario.

    Raises
    ------
    InputError
        With a line for every offer that is unknown or cannot be simulated.
    """
    faults = Faults()
    asked = [faults.attempt(lambda each=each: known_offer(each)) or each for each in answers.offers]  # type: ignore[misc]
    faults.check()
    today = _today(answers.workloads, answers.served_by)
    wanted = [ServingOffer(offer) for offer in asked if ServingOffer(offer) not in today]
    names = _names([each.offer for each in (*today, *wanted)])
    single = len(today) == 1
    parts = [
        ApiPart(
            names[each.offer], each.offer, each.behaves_like, single, _batches(each.offer, answers)
        )
        for each in today
    ]
    parts += [
        ApiPart(names[e.offer], e.offer, served_as=_batches(e.offer, answers)) for e in wanted
    ]
    conditions = {w: names[each.offer] for w, each in answers.served_by.items()}
    return ApiParts(tuple(parts), conditions if len(today) > 1 else {})


def _today(
    workloads: Sequence[TrafficSection], served_by: Mapping[str, ServingOffer]
) -> list[ServingOffer]:
    """Return the different offers that serve the workloads, none unless all are served."""
    if not all(w.name in served_by for w in workloads):
        return []
    return list(dict.fromkeys(served_by[w.name] for w in workloads))


def _batches(offer: str, answers: Answers) -> dict[str, str]:
    """Return the context of batch workloads, if the offer sells one."""
    if "batch" not in PriceBook().card(offer).contexts:
        return {}
    return {w.name: "batch" for w in answers.workloads if w.is_batch}


def _names(offers: Sequence[str]) -> dict[str, str]:
    """Return names of options by offer: the model, with its provider if it is ambiguous."""
    models = {offer: offer.rpartition("/")[2] for offer in offers}
    shared = {model for model in models.values() if list(models.values()).count(model) > 1}
    return {
        offer: (offer.replace("/", "-") if model in shared else model).replace(".", "-")
        for offer, model in models.items()
    }
