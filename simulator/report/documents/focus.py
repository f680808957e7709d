"""Costs in the columns of FOCUS, the FinOps Open Cost and Usage Specification 1.2 (2025).

One month of charges, a row for each option and component, so that a simulated bill can be compared
with a real one in the same tool. Columns that begin with ``x_`` are custom, which the specification
allows.
"""

from datetime import datetime, timedelta
from typing import Any, Literal

from simulator.report.documents.contract import OptionDocument, ResultDocument
from simulator.units import MONTH_HOURS

Bucket = Literal["uncached_input", "cache_read", "cache_write", "output", "reasoning"]
_TOKENS: dict[str, Bucket] = {
    "api_input": "uncached_input",
    "api_cache_read": "cache_read",
    "api_cache_write": "cache_write",
    "api_output": "output",
    "api_reasoning": "reasoning",
}
"""Tokens that a component bills; other components are not billed by tokens."""
_CALLS = ("AI and Machine Learning", "Generative AI")
_HARDWARE = ("Compute", "Virtual Machines")
_PEOPLE = ("Other", "Other (Other)")


def focus_rows(document: ResultDocument) -> list[dict[str, Any]]:
    """Return the charges of every option of a document over one month from its start."""
    begin = datetime.fromisoformat(document["as_of"])
    period = {
        "BillingPeriodStart": _moment(begin),
        "BillingPeriodEnd": _moment(begin + timedelta(hours=MONTH_HOURS)),
        "ChargePeriodStart": _moment(begin),
        "ChargePeriodEnd": _moment(begin + timedelta(hours=MONTH_HOURS)),
    }
    winner = document["verdict"]["winner"]
    return [
        {
            **period,
            **_charge(option, component, usd),
            "x_Scenario": document["scenario"],
            "x_Option": option["name"],
            "x_OptionKind": option["kind"],
            "x_Feasible": option["feasible"],
            "x_Cheapest": option["name"] == winner,
        }
        for option in document["options"]
        for component, usd in sorted(option["cost_breakdown_usd_per_month"].items())
    ]


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _charge(option: OptionDocument, component: str, usd: float) -> dict[str, Any]:
    """Return the columns of one component: its cost, service and consumed quantity."""
    quantity, unit = _consumed(option, component)
    category, subcategory = _service(component)
    is_usage = category != _PEOPLE[0] and component != "api_fixed"
    offers = "; ".join(option["served_by"]) if component.startswith("api_") else ""
    return {
        "BillingCurrency": "USD",
        "BilledCost": usd,
        "EffectiveCost": usd,
        "ListCost": usd,
        "ContractedCost": usd,
        "ChargeCategory": "Usage" if is_usage else "Purchase",
        "ChargeFrequency": "Usage-Based" if is_usage else "Recurring",
        "ChargeDescription": f"{option['name']}: {component.replace('_', ' ')}",
        "ConsumedQuantity": quantity,
        "ConsumedUnit": unit,
        "PricingCategory": "Standard",
        "ServiceCategory": category,
        "ServiceSubcategory": subcategory,
        "ServiceName": offers or option["name"],
        "ProviderName": "; ".join(sorted({name.partition("/")[0] for name in option["served_by"]}))
        if offers
        else "self-hosted",
        "SkuId": offers or None,
        "SkuMeter": component,
        "ResourceName": option["name"],
    }


def _service(component: str) -> tuple[str, str]:
    if component.startswith("api_") or component == "retrieval":
        return _CALLS
    return _HARDWARE if component == "gpus" else _PEOPLE


def _consumed(option: OptionDocument, component: str) -> tuple[float | None, str | None]:
    """Return tokens or replica-hours of a month; None for components paid by the month."""
    offered = option["requests"]["offered"]
    if component in _TOKENS and offered and not option["self_hosted_share"]:
        # An option with own replicas counts their tokens as well, which are not billed.
        months = option["requests_per_month"] / offered
        return option["tokens"][_TOKENS[component]] * months, "Tokens"
    if component == "gpus":
        return option["replicas"]["mean"] * MONTH_HOURS, "Replica-Hours"
    return None, None
