"""From what a scenario says about traffic to a source of requests."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from simulator.scenario.document.document import Document
from simulator.scenario.schema import traffic as schema
from simulator.traffic.formats.catalog import format_of, read_log
from simulator.traffic.formats.records.reading import Skips
from simulator.traffic.logs.replay import requests
from simulator.traffic.quantity import Quantity
from simulator.traffic.rate import Rate, Tenants
from simulator.traffic.sessions import Documents, SessionTraffic, Tools
from simulator.traffic.shapes import week_shape
from simulator.traffic.source import GeneratedTraffic, ReplayedTraffic, TrafficSource
from simulator.units import HOUR_S, MONTH_S, WEEK_S

Built = tuple[TrafficSource, dict[str, str], tuple[str, ...]]
"""A source, the provenance of its workloads, and notes on what it cannot show."""


def build_traffic(
    traffic: dict[str, schema.Sessions | schema.Replay],
    horizon_hours: int,
    seed: int,
    document: Document,
) -> Built:
    """Turn the traffic section into a source.

    Raises
    ------
    InputError
        At the place in the file whose value cannot be built.
    """
    workloads: list[SessionTraffic] = []
    provenance = {}
    for name, workload in traffic.items():
        if isinstance(workload, schema.Replay):
            return _replay(name, workload, seed, document)
        place = len(workloads)
        workloads.append(build_sessions(name, workload, document, ("traffic", name), place))
        provenance[name] = f"generated sessions, week shape {workload.week}"
        if workload.preset:
            provenance[name] += f", preset {workload.preset}"
    notes: tuple[str, ...] = ()
    if horizon_hours % 168:
        notes = ("the horizon is not a whole number of weeks: its hours stand for the month",)
    return GeneratedTraffic(tuple(workloads), horizon_hours * HOUR_S), provenance, notes


def build_sessions(
    name: str,
    said: schema.Sessions,
    document: Document,
    at: tuple[str | int, ...] = (),
    place: int = 0,
) -> SessionTraffic:
    """Turn one workload, by its place among all, into plain values."""

    def amount(field: str, value: schema.Amount) -> Quantity:
        return document.made((*at, *field.split(".")), lambda: _quantity(value))

    turns = amount("turns", said.turns)
    tools = documents = None
    if said.tools is not None:
        tools = Tools(
            said.tools.share,
            amount("tools.gap_s", said.tools.gap_s),
            amount("tools.message_tokens", said.tools.message_tokens),
        )
    if said.documents is not None:
        documents = Documents(
            said.documents.count,
            said.documents.zipf,
            said.documents.per_request,
            said.documents.share,
            amount("documents.tokens", said.documents.tokens),
        )
    rate = Rate(
        f"workload {place}",
        said.requests_per_month / MONTH_S / mean_turns(turns),
        document.made((*at, "week"), lambda: week_shape(said.week)),
        dict(said.rate_cv),
        said.growth_per_month,
        Tenants(**said.tenants.model_dump()),
    )
    first, reasoning = said.first_message_tokens, said.reasoning_share
    compact, retries = said.compact_to_tokens, said.retries or schema.Retries(share=0)
    return SessionTraffic(
        name=name,
        requests_per_s=said.requests_per_month / MONTH_S,
        rate=rate,
        turns=turns,
        gap_s=amount("gap_s", said.gap_s),
        system_prompt_tok=amount("system_prompt_tokens", said.system_prompt_tokens),
        message_tok=amount("message_tokens", said.message_tokens),
        output_tok=amount("output_tokens", said.output_tokens),
        max_output_tok=said.max_output_tokens,
        max_prompt_tok=said.max_prompt_tokens,
        first_message_tok=None if first is None else amount("first_message_tokens", first),
        correlation=said.input_output_correlation,
        reasoning_share=None if reasoning is None else amount("reasoning_share", reasoning),
        prefix_share=said.prefix_share,
        tools=tools,
        documents=documents,
        retry_share=retries.share,
        retry_gap_s=amount("retries.gap_s", retries.gap_s),
        compact_to_tok=None if compact is None else amount("compact_to_tokens", compact),
        deadline_s=np.inf if said.deadline_hours is None else said.deadline_hours * HOUR_S,
        patience_s=said.patience_s or np.inf,
    )


def mean_turns(turns: Quantity) -> float:
    """Return the mean of a number of turns, rounded up and at least 1."""
    score = (np.arange(100_000) + 0.5) / 100_000
    from scipy.special import ndtri

    return float(np.maximum(1, np.ceil(turns.at(ndtri(score)))).mean())


def _quantity(value: schema.Amount) -> Quantity:
    if isinstance(value, schema.Lognormal):
        return Quantity.lognormal(value.median, value.sigma, value.most or np.inf)
    if isinstance(value, schema.Quantiles):
        points = {float(key[1:]) / 100: amount for key, amount in value.quantiles.items()}
        return Quantity.quantiles(points, value.most or np.inf)
    if isinstance(value, schema.Geometric):
        return Quantity.geometric(value.mean)
    return Quantity.constant(value)


def _replay(name: str, said: schema.Replay, seed: int, document: Document) -> Built:
    beside = document.file(("traffic", name, "path"), said.path)
    path = beside if beside.is_file() else document.at_hand(Path(said.path))
    if not path.is_file():
        raise document.fail(("traffic", name, "path"), f"{said.path}: no such file")
    fmt = document.made(("traffic", name, "format"), lambda: format_of(path, said.format))
    skips = Skips(allowed=said.skip_bad)
    log = read_log(path, fmt, skips)
    table = requests(log, seed)
    span_s = log.span_s
    if said.end_s is not None or said.begin_s:
        end_s = min(span_s, said.end_s or span_s)
        start_s = table.arrival_s[table.sessions()]
        chosen = np.flatnonzero((start_s >= said.begin_s) & (start_s < end_s))
        if not len(chosen):
            raise document.fail(
                ("traffic", name), f"no session starts in the window of {span_s:.0f} s"
            )
        table = table.arrange(chosen, start_s[chosen] - said.begin_s)
        span_s = end_s - said.begin_s
    table = replace(
        table,
        arrival_s=table.arrival_s * said.stretch,
        patience_s=np.full(table.size, said.patience_s or np.inf),
    )
    week = said.repeat_week
    shape = (
        None
        if week is None
        else document.made(("traffic", name, "repeat_week"), lambda: week_shape(week))
    )
    source = ReplayedTraffic(table, span_s * said.stretch, shape)
    text = f"replay of {path.name}, {fmt.name}, {table.size} requests"
    notes = []
    if said.stretch != 1:
        text += f", arrivals stretched {said.stretch:g} times"
    if shape is not None:
        text += f", repeated over a week of shape {said.repeat_week}"
    elif source.span_s < WEEK_S:
        hours = source.span_s / HOUR_S
        notes.append(f"{hours:.1f} h of trace stand for the month: no daily or weekly peaks")
    if skips.count:
        notes.append(
            f"{skips.count} unusable rows of {path.name} left out, the first {skips.first}"
        )
    return source, {name: text}, tuple(notes)
