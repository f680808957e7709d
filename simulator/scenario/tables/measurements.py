"""Benchmark results on disk: reports of load generators, a table of points, or logs of requests."""

from collections.abc import Callable
from pathlib import Path

from simulator.analysis.bench.calibration import Measurement
from simulator.analysis.bench.loads import LOAD_KINDS, Load
from simulator.errors import InputError
from simulator.files.dialects import header_of
from simulator.files.jsontext import NotJson, parse_json
from simulator.files.numbers import abbreviated, must_be
from simulator.files.tables import read_table
from simulator.files.text import fail, open_text, read_text
from simulator.scenario.document.document import read_yaml
from simulator.scenario.tables.request_log import REQUEST_COLUMNS, read_request_log
from simulator.scenario.tables.results import (
    aiperf,
    guidellm,
    inference_perf,
    llmd,
    serving_scripts,
)
from simulator.scenario.tables.results.fields import Record, figure, optional
from simulator.scenario.tables.results.reported import Reported, Stated, measurement
from simulator.scenario.tables.results.requests import Documents, request_rows

POINT_COLUMNS = ("load_kind", "isl", "osl", "output_tok_s")
"""Columns that a table of points must have."""
_HEADER_CHARS = 10_000
TOOLS = "vLLM, SGLang, GuideLLM, AIPerf, GenAI-Perf, inference-perf or llm-d"

_READERS: tuple[tuple[Callable[[Record], bool], Callable[[Record, Path], list[Reported]]], ...] = (
    (llmd.is_report, lambda record, path: [llmd.read_report(record, str(path))]),
    (guidellm.is_guidellm, lambda record, path: guidellm.read_guidellm(record, str(path))),
    (aiperf.is_aiperf, lambda record, path: [aiperf.read_aiperf(record, str(path))]),
    (
        inference_perf.is_inference_perf,
        lambda record, path: [inference_perf.read_inference_perf(record, path)],
    ),
    (
        serving_scripts.is_serving,
        lambda record, path: [serving_scripts.read_serving(record, str(path))],
    ),
    (
        serving_scripts.is_throughput,
        lambda record, path: [serving_scripts.read_throughput(record, str(path))],
    ),
    (
        serving_scripts.is_latency,
        lambda record, path: [serving_scripts.read_latency(record, str(path))],
    ),
    (
        serving_scripts.is_offline_throughput,
        lambda record, path: [serving_scripts.read_offline_throughput(record, str(path))],
    ),
)
"""Tests of a record's structure, and readers of what passes them."""


def read_measurements(paths: list[Path], stated: Stated | None = None) -> list[Measurement]:
    """Read every benchmark in some files.

    A JSON or YAML file is a report of a load generator, which is recognised by its structure. A
    JSON Lines file has a run on each line, or a request. A CSV table has a point on each row, with
    the columns of ``bench`` and the measured output_tok_s, tpot_mean_ms and ttft_mean_ms; or it is
    a log of requests, or an export of AIPerf or GenAI-Perf. Lengths are means.

    Raises
    ------
    InputError
        When a file has no known structure, lacks a figure, or lacks its load and ``stated`` does
        too; and when ``stated`` has a load that no file lacks.
    """
    stated = stated or Stated()
    measured: list[Measurement] = []
    results: list[Reported] = []
    for path in paths:
        known, found = _read_file(path)
        measured += known + [measurement(result, stated) for result in found]
        results += found
    if unused := stated.unused(results):
        raise InputError(f"{unused} is given, but every file states that itself")
    return measured


def _read_file(path: Path) -> tuple[list[Measurement], list[Reported]]:
    """Return the measurements of a file, and those results whose load may have to be stated."""
    if path.name.endswith((".csv", ".csv.gz")):
        return _read_csv(path)
    documents = _documents(path)
    if rows := request_rows(documents, str(path)):
        return read_request_log(rows, str(path)), []
    results = []
    for line, document in documents:
        for record in document if isinstance(document, list) else [document]:
            if not isinstance(record, dict):
                fail(path, line, 1, "expected a JSON object")
            results += _read_record(record, path)
    return [], results


def _read_csv(path: Path) -> tuple[list[Measurement], list[Reported]]:
    with open_text(path) as file:
        first = file.readline(_HEADER_CHARS)
    if aiperf.is_aiperf_csv(first):
        return [], [aiperf.read_aiperf_csv(read_text(path), str(path))]
    if set(REQUEST_COLUMNS) <= {name.strip() for name in header_of(first)}:
        return read_request_log(read_table(path), str(path)), []
    rows = read_table(path, POINT_COLUMNS)
    return [_read_table_row(row, f"{path}:{line}:1") for line, row in rows], []


def _documents(path: Path) -> Documents:
    """Return the documents of a file with their lines: one, or one on each line."""
    if path.suffix in (".yaml", ".yml"):
        return [(1, read_yaml(path).data)]
    text = read_text(path)
    try:
        return [(1, parse_json(text))]
    except NotJson as whole_error:
        documents: Documents = []
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.strip():
                continue
            try:
                documents.append((number, parse_json(line)))
            except NotJson as error:
                # If an earlier line is JSON, the file is JSON Lines and this line is at fault.
                problem = error if documents else whole_error
                fail(path, number if documents else problem.line, problem.column, str(problem))
        return documents


def _read_record(record: Record, path: Path) -> list[Reported]:
    """Read a document of any known structure."""
    for is_known, read in _READERS:
        if is_known(record):
            return read(record, path)
    keys = ", ".join(abbreviated(key) for key in list(record)[:6]) or "nothing"
    raise InputError(f"{path}: not a result of {TOOLS}: found {keys}")


def _read_table_row(row: dict[str, str], where: str) -> Measurement:
    kind = row.get("load_kind", "")
    if kind not in LOAD_KINDS:
        raise InputError(must_be(f"{where}: load_kind", f"one of {', '.join(LOAD_KINDS)}", kind))
    value = 0.0 if kind == "offline" else figure(row, where, "load_value")
    load = Load(
        kind,
        value,
        round(figure(row, where, "isl")),
        round(figure(row, where, "osl")),
        optional(row, "range_ratio") if row.get("range_ratio") else 1.0,
        round(figure(row, where, "num_prompts")) if row.get("num_prompts") else None,
    )
    return Measurement(
        load,
        figure(row, where, "output_tok_s"),
        optional(row, "tpot_mean_ms") / 1e3,
        optional(row, "ttft_mean_ms") / 1e3,
        source=where,
    )
