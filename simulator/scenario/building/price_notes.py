"""Notes on prices that are not certain for the whole simulated span or forecast."""

from collections.abc import Sequence
from datetime import UTC, datetime

from simulator.analysis.study.options import Option
from simulator.pricing.outlook import changes_between
from simulator.pricing.rates import RateCard
from simulator.scenario.building.endpoints import Clock
from simulator.units import MONTH_S


def price_notes(options: Sequence[Option], clock: Clock, months: int | None) -> list[str]:
    """Return sentences on ends, promises and holidays that make prices uncertain.

    Parameters
    ----------
    options : sequence of Option
        Options that are compared.
    clock : Clock
        The simulated span, which represents at least a month.
    months : int, optional
        Length of the forecast, if there is one; a forecast already follows dated prices.
    """
    until_s = max(clock.end_s, clock.begin_s + (months or 1) * MONTH_S)
    notes: list[str] = []
    for option in options:
        for single in option.parts:
            api = single.api
            for endpoint in api.endpoints if api is not None else ():
                notes += endpoint.card.doubts(clock.begin_s, until_s)
                if months is None:
                    notes += _later_changes(endpoint.card, clock.end_s, until_s)
    return list(dict.fromkeys(notes))


def _later_changes(card: RateCard, begin_s: float, end_s: float) -> list[str]:
    """Note dated prices that begin after the simulated span, within the month it represents."""
    return [
        f"the price of {card.offer} changes on {datetime.fromtimestamp(moment, UTC):%Y-%m-%d}: "
        "the month is billed at the prices of the simulated days"
        for moment in changes_between(card, begin_s, end_s)
    ]
