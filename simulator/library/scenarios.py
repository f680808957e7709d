"""Scenarios: read, change, check and write them."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from simulator.errors import Faults, InputError
from simulator.library.amounts import amount
from simulator.library.results import Result
from simulator.report.terminal.facts import print_validity
from simulator.scenario.building.study import Loaded, load, load_document
from simulator.scenario.document.document import with_values

Named = str | Path | Loaded
"""A scenario, the path of its file, or the name of a shipped scenario."""


def load_scenario(
    name: str | Path,
    values: Mapping[str, Any] | None = None,
    *,
    overrides: Sequence[str] = (),
    seed: int | None = None,
) -> Loaded:
    """Read a scenario.

    Parameters
    ----------
    name : str or Path
        Path of a file, or the name of a shipped scenario.
    values : dict, optional
        Changed values by dotted path, as for ``--set``, units included.
    overrides : sequence of str
        Names of the scenario's overrides, or settings of the form ``path=value``, applied before
        ``values``.
    seed : int, optional
        Seed in place of the scenario's.

    Raises
    ------
    InputError
        If the scenario is invalid, with a line for each fault: file, line, column, and what was
        expected; ``errors`` has them as a tuple.
    """
    scenario = load(name, overrides, seed)
    return changed(scenario, values) if values else scenario


def changed(scenario: Named, values: Mapping[str, Any]) -> Loaded:
    """Return a scenario with changed values, by dotted path."""
    document = opened(scenario).variations.document
    return load_document(with_values(document, values, "values: {}".format))


def opened(scenario: Named) -> Loaded:
    """Return a scenario that may be given by its name or path."""
    return scenario if isinstance(scenario, Loaded) else load(scenario)


def validate_scenario(scenario: Named, *, overrides: Sequence[str] = ()) -> Result:
    """Check a scenario with all its overrides and sweep points, and sum up its traffic.

    Parameters
    ----------
    scenario : Loaded, str or Path
        A scenario, the path of its file, or the name of a shipped scenario.
    overrides : sequence of str
        Names of overrides or settings to apply first, as in ``load_scenario``.

    Raises
    ------
    InputError
        If anything is invalid, with a line for each fault as in ``load_scenario``.
    """
    from simulator.analysis.commands.traffic_summary import traffic_summary
    from simulator.scenario.resolve.load import apply_override, read_document
    from simulator.scenario.variations.sweep import read_sweep, sweep_points

    if isinstance(scenario, Loaded):
        document = scenario.variations.document
    else:
        document = read_document(scenario, overrides)
    faults = Faults()
    checked = faults.attempt(lambda: load_document(document))
    for name in _override_names(document.data):
        with faults.collected():
            load_document(apply_override(document, name))
    points = 0
    if document.data.get("sweep") is not None:
        with faults.collected():
            points = len(sweep_points(document, read_sweep(document)))
    faults.check()
    assert checked is not None
    counts: dict[str, Any] = {
        "scenario": checked.study.name,
        "options": len(checked.study.options),
        "overrides": len(checked.scenario.overrides),
        "sweep_points": points,
    }
    traffic = asdict(traffic_summary(checked.study))
    facts = {**counts, "traffic": traffic}
    return Result(facts, [facts], printer=partial(print_validity, facts))


def _override_names(data: dict[str, Any]) -> list[str]:
    """Return the names of the overrides of a document that may not be valid."""
    overrides = data.get("overrides")
    entries = overrides.items() if isinstance(overrides, dict) else ()
    return [name for name, values in entries if isinstance(values, dict)]


def scenario_schema() -> Result:
    """Return the JSON schema of scenario files, for editors."""
    from simulator.scenario.resolve.json_schema import json_schema

    schema = json_schema()
    sections = schema["$defs"].items()
    rows = [{"section": name, "description": each.get("description")} for name, each in sections]
    return Result(schema, rows)


def new_scenario(
    target: str | Path,
    *,
    offers: Sequence[str] = (),
    model: str | Sequence[str] = (),
    gpu: str | Sequence[str] = (),
    preset: str | None = None,
    requests_per_month: float | str | None = None,
    trace: str | Path | None = None,
    usage: str | None = None,
    mean_input_tokens: float | str | None = None,
    means: Mapping[str, str] | None = None,
    ttft: str | None = None,
    tpot: str | None = None,
    engineers: str = "0.5",
    overwrite: bool = False,
) -> Result:
    """Write a commented scenario file.

    Parameters
    ----------
    target : path
        File to write.
    offers : sequence of str
        API offers to compare, as provider/model.
    model, gpu : str or sequence of str, optional
        Models to self-host, and accelerators to host them on. Of several, every pair that fits is
        an option; the notes of the result state those that are left out, and why.
    preset : str, optional
        Kind of traffic, such as ``chat``; requires ``requests_per_month``.
    requests_per_month : number or str, optional
        Volume of the preset, such as ``10M`` or ``3.2/s``.
    trace : path, optional
        Request log to replay instead of a preset.
    usage : str, optional
        Usage export, log or address of a Prometheus server, to which workloads are fitted. Offers
        that serve them today are found by the names of their models.
    mean_input_tokens : number or str, optional
        Mean prompt of a call, such as ``2200`` or ``4k``, for exports that do not count calls.
    means : dict of str to str, optional
        Keys of ``simple`` traffic as written, such as ``{"input_tokens": "2.2k"}``, instead of a
        preset; requires ``requests_per_month``.
    ttft, tpot : str, optional
        Latency targets with units, such as ``2s`` and ``60ms``.
    engineers : str
        Engineers that self-hosting needs, in FTE.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    InputError
        If a name is unknown, no model fits an accelerator, the file exists, or the scenario would
        not be valid; with a line for each fault.
    """
    from simulator.files.writing import write_files
    from simulator.library.matching import measured_answers
    from simulator.scenario.starter.answers import Answers
    from simulator.scenario.starter.starter import starter
    from simulator.scenario.starter.workload import stated_workload

    path = Path(target)
    if os.path.lexists(path) and not overwrite:
        raise InputError(f"{path} exists already")
    volume = amount("requests_per_month", requests_per_month)
    log = None if trace is None else Path(trace)
    models, gpus = (
        (each,) if isinstance(each, str) else tuple(each or ()) for each in (model, gpu)
    )
    notes: tuple[str, ...] = ()
    answers = Answers(
        offers, models, gpus, preset, None if log else volume, log, ttft, tpot, engineers
    )
    if usage is not None:
        mean_tok = amount("input_tokens", mean_input_tokens)
        answers, notes = measured_answers(answers, usage, mean_tok)
    elif means is not None:
        answers = replace(answers, workloads=(stated_workload(means, volume),))
    start = starter(answers, path)
    write_files(path.parent, {path.name: start.text})
    written = {"file": str(path)}
    left_out = (f"left out: {reason}" for reason in start.left_out)
    next_step = f"{path}: breakeven run {path} --out out"
    return Result(written, [written], notes=(*notes, *left_out, next_step))


def check_answers(given: Mapping[str, Sequence[str]]) -> None:
    """Check answers for a new scenario by the names of the flags of ``breakeven new``.

    Raises
    ------
    InputError
        With a line for every answer that is not valid.
    """
    from simulator.scenario.starter import answers

    answers.check_given(given)


def answer_choices(flag: str) -> list[str]:
    """Return what may be answered to a question of ``breakeven new``: names, or examples."""
    from simulator.scenario.starter import answers

    return answers.choices(flag)
