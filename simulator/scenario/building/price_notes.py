"""What a reader should know of the prices of a simulated span: dates that it reaches beyond."""

from collections.abc import Sequence
from datetime import UTC, datetime

from simulator.analysis.study.options import Option
from simulator.pricing.outlook import changes_between
from simulator.pricing.rates import RateCard
from simulator.scenario.building.endpoints import Clock
from simulator.units import MONTH_S


def price_notes(options: Sequence[Option], clock: Clock, months: int | None) -> list[str]:
    """Say what prices rest on that is not known: ends, promises and holidays within the forecast.

    Parameters
    ----------
    options : sequence of Option
        That are compared.
    clock : Clock
        The simulated span, which stands for a month at least.
    months : int, optional
        Length of the forecast, where there is one; it follows dated prices by itself.
    """
    until_s = max(clock.end_s, clock.begin_s + (months or 1) * MONTH_S)
    found: list[str] = []
    for option in options:
        for single in option.parts:
            api = single.api
            for endpoint in api.endpoints if api is not None else ():
                found += endpoint.card.doubts(clock.begin_s, until_s)
                if months is None:
                    found += _changes(endpoint.card, clock.end_s, until_s)
    return list(dict.fromkeys(found))


def _changes(card: RateCard, begin_s: float, end_s: float) -> list[str]:
    """Say which dated prices begin after the simulated span and within the month it stands for."""
    return [
        f"the price of {card.offer} changes on {datetime.fromtimestamp(moment, UTC):%Y-%m-%d}: "
        "the month is billed at the prices of the simulated days"
        for moment in changes_between(card, begin_s, end_s)
    ]
