"""Build a source of requests from the traffic section of a scenario."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np

from simulator.errors import Faults
from simulator.scenario.building.simple import sessions_of
from simulator.scenario.building.volume import Horizon, rate_of, requests_per_month, weekly_shape
from simulator.scenario.document.document import Document
from simulator.scenario.schema import amounts
from simulator.scenario.schema import traffic as schema
from simulator.traffic.formats.catalog import format_of, read_log
from simulator.traffic.formats.records.reading import Skips
from simulator.traffic.logs.replay import replay_requests
from simulator.traffic.logs.stats import thin_tail
from simulator.traffic.quantity import Quantity
from simulator.traffic.rate import Tenants
from simulator.traffic.sessions import Documents, SessionTraffic, Tools
from simulator.traffic.source import GeneratedTraffic, ReplayedTraffic, TrafficSource
from simulator.units import HOUR_S, MONTH_S, WEEK_S

Built = tuple[TrafficSource, dict[str, str], tuple[str, ...]]
"""A source of requests, the provenance of its workloads, and notes on its limitations."""


def build_traffic(
    traffic: dict[str, schema.Sessions | schema.Simple | schema.Replay],
    span: Horizon,
    seed: int,
    document: Document,
) -> Built:
    """Build a source of requests from the traffic section.

    Raises
    ------
    InputError
        With a line for every value that cannot be used.
    """
    workloads: list[SessionTraffic] = []
    provenance = {}
    faults = Faults()
    for name, workload in traffic.items():
        if isinstance(workload, schema.Replay):
            return _replay(name, workload, seed, document)
        index = len(workloads)
        with faults.collected():
            at = ("traffic", name)
            workloads.append(build_workload(name, workload, span, document, at, index))
        provenance[name] = _origin(workload)
    faults.check()
    notes: tuple[str, ...] = tuple(_late_events(traffic, span))
    if span.hours % 168:
        notes += ("the horizon is not a whole number of weeks: its hours represent the month",)
    return GeneratedTraffic(tuple(workloads), span.hours * HOUR_S), provenance, notes


def _late_events(
    traffic: dict[str, schema.Sessions | schema.Simple | schema.Replay], span: Horizon
) -> Iterator[str]:
    """Yield notes on events that are outside the simulated days and change nothing."""
    end = span.start + timedelta(hours=span.hours)
    for name, workload in traffic.items():
        for event in () if isinstance(workload, schema.Replay) else workload.events:
            if event.first >= end or event.first + timedelta(days=event.days) <= span.start:
                yield f"{name}: the event of {event.first} is outside the simulated days"


def _origin(section: schema.Sessions | schema.Simple) -> str:
    """Return where the numbers of a generated workload come from."""
    week = section.week if isinstance(section.week, str) else "given"
    if isinstance(section, schema.Simple):
        given = section.model_fields_set
        shape = week if "week" in given else f"{week} (assumed)"
        known = {"input_sigma", "output_sigma"} <= given
        spread = "" if known else ", spread of lengths assumed as in Azure's conversations of 2023"
        return f"calls with the given means, week shape {shape}{spread}"
    preset = f", preset {section.preset}" if section.preset else ""
    return f"generated sessions, week shape {week}{preset}"


def build_workload(
    name: str,
    section: schema.Sessions | schema.Simple,
    span: Horizon,
    document: Document,
    at: tuple[str | int, ...] = (),
    index: int = 0,
) -> SessionTraffic:
    """Turn the section of a workload into plain values, given the workload's index among all."""
    if isinstance(section, schema.Simple):
        simple = section
        section = document.made(at, lambda: sessions_of(simple))
    faults = Faults()

    def amount(field: str, value: amounts.Amount) -> Quantity:
        path, is_count = (*at, *field.split(".")), field.endswith("_tokens")
        made = faults.attempt(lambda: document.made(path, lambda: _quantity(value, is_count)))
        return made or Quantity.constant(1.0)  # not used: the fault is raised below

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
    monthly = faults.attempt(lambda: requests_per_month(section, document, at)) or 1.0
    per_s = monthly / MONTH_S / mean_turns(turns)
    rate = faults.attempt(lambda: rate_of(section, per_s, span, document, at))
    tenants = Tenants(**section.tenants.model_dump())
    first, reasoning = section.first_message_tokens, section.reasoning_share
    compact, retries = section.compact_to_tokens, section.retries or schema.Retries(share=0)
    if rate is None:
        faults.check()
    assert rate is not None
    workload = SessionTraffic(
        name=name,
        requests_per_s=monthly / MONTH_S,
        rate=replace(rate, stream=f"workload {index}", tenants=tenants),
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
        stable_session_share=section.stable_session_share,
        tools=tools,
        documents=documents,
        retry_share=retries.share,
        retry_gap_s=amount("retries.gap_s", retries.gap_s),
        compact_to_tok=None if compact is None else amount("compact_to_tokens", compact),
        deadline_s=np.inf if section.deadline_hours is None else section.deadline_hours * HOUR_S,
        patience_s=section.patience_s or np.inf,
    )
    faults.check()
    return workload


def mean_turns(turns: Quantity) -> float:
    """Return the mean number of turns of a session, each rounded up and at least 1."""
    score = (np.arange(100_000) + 0.5) / 100_000
    from scipy.special import ndtri

    return float(np.maximum(1, np.ceil(turns.at(ndtri(score)))).mean())


def _quantity(value: amounts.Amount, is_count: bool) -> Quantity:
    if isinstance(value, amounts.Lognormal):
        return Quantity.lognormal(value.median, value.sigma, value.most or np.inf)
    if isinstance(value, amounts.LognormalByMean):
        most = value.most or np.inf
        return Quantity.lognormal_of_mean(value.mean, value.sigma, most, is_count=is_count)
    if isinstance(value, amounts.Quantiles):
        points = {float(key[1:]) / 100: amount for key, amount in value.quantiles.items()}
        return Quantity.quantiles(points, value.most or np.inf)
    if isinstance(value, amounts.Geometric):
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
    at = ("traffic", name, "repeat_week")
    shape = None if week is None else weekly_shape(week, document, at)
    source = ReplayedTraffic(table, span_s * section.stretch, shape)
    text = f"replay of {path.name}, {fmt.name}, {table.size} requests"
    notes = []
    if section.stretch != 1:
        text += f", arrivals stretched {section.stretch:g} times"
    if shape is not None:
        text += f", repeated over a week of shape {week if isinstance(week, str) else 'given'}"
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
