"""Files that are read neither as a log nor as a usage export: what they are, and what to do.

Exports that are known and not read are those whose rows cannot tell what a workload or a bill
needs. Their columns are those of the documents of 2026: AWS Cost and Usage Report (legacy and 2.0),
the tables of Google Cloud's billing export to BigQuery and its cost table, FOCUS 1.x, Azure's cost
details, Portkey's log export, Braintrust's spans, and Helicone's dashboard.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from simulator.errors import InputError
from simulator.traffic.formats.records.heads import Head

_LEAST_MATCHING = 2
"""Fields that a file must have of a format that it resembles; one may be a coincidence."""
_OWN_TABLE = "write a CSV file with the columns arrival_s, input_tokens, output_tokens"


@dataclass(frozen=True, slots=True)
class RefusedExport:
    """A kind of export that is known and not read."""

    what: str
    structures: tuple[tuple[str, ...], ...]
    """Fields by which it is recognised, in each of its versions."""
    reason: str
    instead: str


_NO_CALLS = "they do not count calls, without which there is no mean length"
_REFUSED = (
    RefusedExport(
        "sums of Helicone's dashboard",
        (("total_requests", "total_prompt_tokens"), ("total_requests", "total_prompt_token")),
        "they do not tell when calls were made",
        "export its requests (helicone)",
    ),
    RefusedExport(
        "billing rows of AWS",
        (
            ("lineItem/UsageType", "lineItem/UsageAmount"),
            ("line_item_usage_type", "line_item_usage_amount"),
        ),
        _NO_CALLS,
        "export the metrics of Amazon Bedrock from CloudWatch (bedrock-cloudwatch)",
    ),
    RefusedExport(
        "billing rows of Google Cloud",
        (
            ("sku", "usage", "cost"),
            ("sku.description", "usage.amount"),
            ("sku_description", "usage_amount"),
            ("SKU description", "Usage amount"),
        ),
        _NO_CALLS,
        "export the metrics of Vertex AI (vertex-monitoring), or for Google AI Studio log the "
        "usageMetadata of each answer",
    ),
    RefusedExport(
        "cost details of Azure",
        (("MeterName", "Quantity"), ("meterName", "quantity"), ("MeterName", "UsageQuantity")),
        _NO_CALLS,
        "export the metrics of Azure Monitor (azure-metrics)",
    ),
    RefusedExport(
        "billing rows by FOCUS",
        (("ChargePeriodStart", "ConsumedQuantity"),),
        _NO_CALLS,
        "export usage or metrics of the provider",
    ),
    RefusedExport(
        "logs of Portkey",
        (("req_units", "res_units"),),
        "their units do not tell cached tokens, nor whether the prompt contains them",
        f"{_OWN_TABLE} and cached_tokens from the usage in each response",
    ),
    RefusedExport(
        "spans of Braintrust",
        (("span_attributes", "metrics"),),
        "whether their prompt_tokens contain cached ones depends on what recorded them",
        f"{_OWN_TABLE} and cached_tokens from the metrics of spans of type llm",
    ),
)


def not_recognised(path: Path, head: Head, fields: Mapping[str, tuple[str, ...]]) -> InputError:
    """Return the error for a file of no known format.

    Parameters
    ----------
    path : Path
        The file.
    head : Head
        Its beginning.
    fields : mapping from str to tuple of str
        The fields by which formats are recognised, by the names of the formats.
    """
    for kind in _REFUSED:
        if any(head.has(*names) for names in kind.structures):
            return InputError(
                f"{path}: {kind.what} are not read, since {kind.reason}. Instead, {kind.instead} "
                "(docs/logs.md)"
            )
    near = _nearest(head, fields)
    advice = _OWN_TABLE[0].upper() + _OWN_TABLE[1:]
    if near is not None:
        missing = [name for name in fields[near] if not head.has(name)]
        advice = f"Nearest is {near}, which also has {', '.join(missing)}"
    return InputError(
        f"{path}: this is {head.seen()}, which is no known log or usage export. {advice} "
        "(docs/logs.md)"
    )


def _nearest(head: Head, fields: Mapping[str, tuple[str, ...]]) -> str | None:
    """Return the format most of whose fields a file has, None if it has too few of any."""

    def likeness(name: str) -> tuple[int, float]:
        matching = sum(head.has(field) for field in fields[name])
        return matching, matching / len(fields[name])

    known = [name for name in fields if fields[name]]
    near = max(known, key=likeness, default=None)
    return near if near is not None and likeness(near)[0] >= _LEAST_MATCHING else None
