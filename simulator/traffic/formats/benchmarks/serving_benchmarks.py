"""Readers of results of ``vllm bench serve`` and of its descendant ``sglang.bench_serving``."""

from collections.abc import Iterator
from pathlib import Path

from simulator.traffic.formats.records.call_records import FAILED, Fields, row_parser
from simulator.traffic.formats.records.chunks import Broken, Item, Record, RecordChunk, in_chunks
from simulator.traffic.formats.records.containers import document_items, json_items
from simulator.traffic.formats.records.reading import Format
from simulator.traffic.formats.records.values import count_of, number_of

_ARRAYS = ("input_lens", "output_lens", "start_times")


def _chunks(path: Path) -> Iterator[RecordChunk]:
    """Yield the requests of ``vllm bench serve`` or ``sglang.bench_serving`` results.

    vLLM writes one document for each file, SGLang one on each line. The requests of a run are in
    parallel arrays, one array for each field.
    """
    is_json_lines = ".jsonl" in path.suffixes
    runs = json_items(path) if is_json_lines else document_items(path, lambda document: [document])
    return in_chunks(item for run in runs for item in _requests_of_run(run))


def _requests_of_run(run: Item) -> Iterator[Item]:
    if isinstance(run, Broken):
        yield run
        return
    line, result = run.line, run.value
    missing = [name for name in _ARRAYS if not isinstance(result.get(name), list)]
    if missing:
        yield Broken(
            line,
            1,
            f"no {missing[0]}: save the result with --save-detailed (vLLM) or "
            "--output-details (SGLang), in a version that writes start_times",
        )
        return
    arrays = {name: value for name, value in result.items() if isinstance(value, list)}
    size = len(arrays["start_times"])
    if any(len(arrays[name]) != size for name in _ARRAYS):
        yield Broken(line, 1, "input_lens, output_lens and start_times differ in length")
        return
    for i in range(size):
        row = {name: values[i] for name, values in arrays.items() if len(values) == size}
        yield Record(i + 1, row)


def _row(record: Fields) -> Fields:
    if record.get("errors"):
        return {"input": 0, "output": 0, "left_out": FAILED}
    at_s = number_of(record, "start_times")
    duration_s = None
    itls = record.get("itls")
    if isinstance(itls, list) and "ttfts" in record:
        duration_s = number_of(record, "ttfts") + sum(itls)
    return {
        "at_s": at_s,
        "end_s": None if duration_s is None else at_s + duration_s,
        "input": count_of(record, "input_lens"),
        "output": count_of(record, "output_lens"),
    }


VLLM = Format(
    "vllm",
    "results of vllm bench serve --save-detailed",
    lambda head: head.has(*_ARRAYS[:2]),
    _chunks,
    row_parser(_row),
    in_order=False,
)
SGLANG = Format(
    "sglang",
    "results of sglang.bench_serving --output-details",
    lambda head: head.has(*_ARRAYS[:2], "server_info"),
    _chunks,
    row_parser(_row),
    in_order=False,
)
