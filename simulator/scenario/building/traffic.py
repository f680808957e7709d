"""Build a source of requests from the traffic section of a scenario."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from simulator.scenario.document.document import Document
from simulator.scenario.schema import traffic as schema
from simulator.traffic.formats.catalog import format_of, read_log
from simulator.traffic.formats.records.reading import Skips
from simulator.traffic.logs.replay import replay_requests
from simulator.traffic.logs.stats import thin_tail
from simulator.traffic.quantity import Quantity
from simulator.traffic.rate import Rate, Tenants
from simulator.traffic.sessions import Documents, SessionTraffic, Tools
from simulator.traffic.shapes import week_shape
from simulator.traffic.source import GeneratedTraffic, ReplayedTraffic, TrafficSource
from simulator.units import HOUR_S, MONTH_S, WEEK_S

Built = tuple[TrafficSource, dict[str, str], tuple[str, ...]]
"""A source of requests, the provenance of its workloads, and notes on its limitations."""


def build_traffic(
    traffic: dict[str, schema.Sessions | schema.Replay],
    horizon_hours: int,
    seed: int,
    document: Document,
) -> Built:
    """Build a source of requests from the traffic section.

    Raises
    ------
    InputError
        With the location of the value that cannot be used.
    """
    workloads: list[SessionTraffic] = []
    provenance = {}
    for name, workload in traffic.items():
        if isinstance(workload, schema.Replay):
            return _replay(name, workload, seed, document)
        index = len(workloads)
        workloads.append(build_sessions(name, workload, document, ("traffic", name), index))
        provenance[name] = f"generated sessions, week shape {workload.week}"
        if workload.preset:
            provenance[name] += f", preset {workload.preset}"
    notes: tuple[str, ...] = ()
    if horizon_hours % 168:
        notes = ("the horizon is not a whole number of weeks: its hours represent the month",)
    return GeneratedTraffic(tuple(workloads), horizon_hours * HOUR_S), provenance, notes


def build_sessions(
    name: str,
    section: schema.Sessions,
    document: Document,
    at: tuple[str | int, ...] = (),
    index: int = 0,
) -> SessionTraffic:
    """Turn the section of a workload into plain values, given the workload's index among all."""

    def amount(field: str, value: schema.Amount) -> Quantity:
        return document.made((*at, *field.split(".")), lambda: _quantity(value))

    turns = amount("turns", section.turns)
    tools = documents = None
    if section.tools is not None:
        tools = Tools(
            section.tools.share,
            amount("tools.gap_s", section.tools.gap_s),
            amount("tools.message_tokens", section.tools.message_tokens),
        )
    if section.documents is not None:
        documents = Documents(
            section.documents.count,
            section.documents.zipf,
            section.documents.per_request,
            section.documents.share,
            amount("documents.tokens", section.documents.tokens),
        )
    rate = Rate(
        f"workload {index}",
        section.requests_per_month / MONTH_S / mean_turns(turns),
        document.made((*at, "week"), lambda: week_shape(section.week)),
        dict(section.rate_cv),
        section.growth_per_month,
        Tenants(**section.tenants.model_dump()),
    )
    first, reasoning = section.first_message_tokens, section.reasoning_share
    compact, retries = section.compact_to_tokens, section.retries or schema.Retries(share=0)
    return SessionTraffic(
        name=name,
        requests_per_s=section.requests_per_month / MONTH_S,
        rate=rate,
        turns=turns,
        gap_s=amount("gap_s", section.gap_s),
        system_prompt_tok=amount("system_prompt_tokens", section.system_prompt_tokens),
        message_tok=amount("message_tokens", section.message_tokens),
        output_tok=amount("output_tokens", section.output_tokens),
        max_output_tok=section.max_output_tokens,
        max_prompt_tok=section.max_prompt_tokens,
        first_message_tok=None if first is None else amount("first_message_tokens", first),
        correlation=section.input_output_correlation,
        reasoning_share=None if reasoning is None else amount("reasoning_share", reasoning),
        prefix_share=section.prefix_share,
        tools=tools,
        documents=documents,
        retry_share=retries.share,
        retry_gap_s=amount("retries.gap_s", retries.gap_s),
        compact_to_tok=None if compact is None else amount("compact_to_tokens", compact),
        deadline_s=np.inf if section.deadline_hours is None else section.deadline_hours * HOUR_S,
        patience_s=section.patience_s or np.inf,
    )


def mean_turns(turns: Quantity) -> float:
    """Return the mean number of turns of a session, each rounded up and at least 1."""
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


def _replay(name: str, section: schema.Replay, seed: int, document: Document) -> Built:
    """Build a replay, from a log in the scenario's folder or in the current one."""
    neighbour = document.file(("traffic", name, "path"), section.path)
    path = neighbour if neighbour.is_file() else document.at_hand(Path(section.path))
    if not path.is_file():
        raise document.fail(("traffic", name, "path"), f"{section.path}: no such file")
    fmt = document.made(("traffic", name, "format"), lambda: format_of(path, section.format))
    skips = Skips(allowed=section.skip_bad)
    log = read_log(path, fmt, skips)
    table = replay_requests(log, seed)
    span_s = log.span_s
    if section.end_s is not None or section.begin_s:
        end_s = min(span_s, section.end_s or span_s)
        start_s = table.arrival_s[table.sessions()]
        chosen = np.flatnonzero((start_s >= section.begin_s) & (start_s < end_s))
        if not len(chosen):
            raise document.fail(
                ("traffic", name),
                f"no session of the log of {span_s:.0f} s starts between begin_s and end_s",
            )
        table = table.arrange(chosen, start_s[chosen] - section.begin_s)
        span_s = end_s - section.begin_s
    table = replace(
        table,
        arrival_s=table.arrival_s * section.stretch,
        patience_s=np.full(table.size, section.patience_s or np.inf),
    )
    week = section.repeat_week
    shape = (
        None
        if week is None
        else document.made(("traffic", name, "repeat_week"), lambda: week_shape(week))
    )
    source = ReplayedTraffic(table, span_s * section.stretch, shape)
    text = f"replay of {path.name}, {fmt.name}, {table.size} requests"
    notes = []
    if section.stretch != 1:
        text += f", arrivals stretched {section.stretch:g} times"
    if shape is not None:
        text += f", repeated over a week of shape {section.repeat_week}"
    elif source.span_s < WEEK_S:
        hours = source.span_s / HOUR_S
        notes.append(f"{hours:.1f} h of trace represent the month: no daily or weekly peaks")
    tail = thin_tail(log)
    if tail is not None and section.end_s is None:
        notes.append(f"{path.name}: {tail} (end_s)")
    if not log.summary.is_plain:
        notes.append(f"{path.name}: {log.summary.text()}")
    if skips.count:
        notes.append(
            f"{skips.count} unusable rows of {path.name} left out, the first {skips.first}"
        )
    return source, {name: text}, tuple(notes)
