"""Draw the samples in tests/support/data/samples from a folder with the whole data.

usage: python validation/samples.py DATA [--out tests/support/data/samples]

Only rows whose licence allows it are copied, unchanged; the README next to the samples lists
sources and licences. The same data give the same rows.
"""

import argparse
import csv
import gzip
import io
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import zstandard
from points import Measured, read_points
from report import kind

from simulator.files.writing import write_files

OUT = Path(__file__).parents[1] / "tests" / "support" / "data" / "samples"
SEED = 20261127
FREE = ("aic-silicon-", "trtllm-docs-")
"""Beginnings of the sources of calibration.csv.gz that may be copied (Apache-2.0)."""
POINTS = {
    "dense": 110, "fine MoE": 110, "fine MoE, attention data-parallel": 40, "coarse MoE": 40,
}  # fmt: skip
"""Number of points by class of model."""
OFFLINE_POINTS = 24
"""Number of points of the laboratory in stated_settings.csv.gz; its open loops are all copied."""
LOG_ROWS = 300
CONVERSATIONS = 10
LONGEST_CONVERSATION = 40
OFFER_COLUMNS = (
    "offer", "provider", "model", "input_per_mtok", "cached_read", "cache_write", "cache_write_1h",
    "output_per_mtok", "data_date", "source",
)  # fmt: skip
OFFERS = 20
LEADERBOARD_MODELS = 12


def main() -> None:
    """Write all samples."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    samples = drawn(arguments.data)
    write_files(arguments.out, {name: _writer(content) for name, content in samples.items()})
    for name, content in samples.items():
        print(f"{name}: {len(content):,} bytes")


def drawn(data: Path) -> dict[str, bytes]:
    """Return the samples by the names that the files have in the data."""
    packed = {
        "calibration.csv.gz": _calibration(data / "calibration.csv.gz"),
        "stated_settings.csv.gz": _stated_settings(data / "stated_settings.csv.gz"),
        "traces/azure2023_conv.csv.gz": _azure(data / "traces/azure2023_conv.csv.gz"),
        "traces/mooncake_conversation_trace.jsonl.gz": _mooncake(
            data / "traces/mooncake_conversation_trace.jsonl.gz"
        ),
    }
    samples = {name: gzip.compress(text.encode(), mtime=0) for name, text in packed.items()}
    for run in sorted((data / "requests").glob("*.csv.gz")):
        text = _text(run)
        samples[f"requests/{run.name}"] = gzip.compress(text.encode(), mtime=0)
    agents = _agents(data / "traces/claude_code_agent_traces.jsonl.zst").encode()
    samples["traces/claude_code_agent_traces.jsonl.zst"] = zstandard.compress(agents, 19)
    samples["kv_blocks.csv"] = _kv_blocks(data / "kv_blocks.csv").encode()
    samples["offers.csv"] = _offers(data / "offers.csv").encode()
    samples["quality/polyglot_leaderboard.yml"] = _leaderboard(
        data / "quality/polyglot_leaderboard.yml"
    ).encode()
    return samples


def _calibration(path: Path) -> str:
    """A stratified sample of the points to which coefficients are fitted, by class of model.

    Every accelerator, engine and model of a class has a point, and as many as its share.
    """
    by_class: dict[str, list[Measured]] = defaultdict(list)
    for measured in read_points(path):
        if measured.is_fitted and measured.row["source"].startswith(FREE):
            by_class[kind(measured)].append(measured)
    chosen = set()
    for name, count in POINTS.items():
        strata = stratified(by_class[name], _stratum, count, random.Random(f"{SEED} {name}"))
        chosen |= {_key(measured.row) for measured in strata}
    return _rows(path, lambda row: _key(row) in chosen)


def _key(row: dict[str, str]) -> tuple[str, str]:
    """What tells rows apart: numbers of points are used again by other sources."""
    return row["source"], row["point"]


def _stratum(measured: Measured) -> tuple[str, ...]:
    deployment = measured.point.deployment
    return (deployment.gpu.name, deployment.engine.name, deployment.model.name)


def stratified(
    items: Sequence[Any], stratum: Callable[[Any], Any], count: int, draws: random.Random
) -> list[Any]:
    """Return about as many items as wanted: of each stratum its share, and one at least."""
    strata = defaultdict(list)
    for item in items:
        strata[stratum(item)].append(item)
    chosen = []
    for name in sorted(strata):
        share = max(1, round(count * len(strata[name]) / len(items)))
        chosen += draws.sample(strata[name], share)
    return chosen


def _stated_settings(path: Path) -> str:
    """All open loops, and a stratified sample of the laboratory's runs."""
    rows = list(csv.DictReader(io.StringIO(_text(path))))
    offline = [row for row in rows if row["load_kind"] != "request-rate"]
    strata = stratified(
        offline, lambda row: (row["engine"], row["model"]), OFFLINE_POINTS, random.Random(SEED)
    )
    chosen = {_key(row) for row in strata}
    return _rows(path, lambda row: row["load_kind"] == "request-rate" or _key(row) in chosen)


def _rows(path: Path, is_chosen: Callable[[dict[str, str]], bool]) -> str:
    """Return the chosen rows of a table, in their order."""
    reader = csv.DictReader(io.StringIO(_text(path)))
    rows = [row for row in reader if is_chosen(row)]
    return _table(reader.fieldnames or [], rows)


def _table(columns: Sequence[str], rows: list[dict[str, str]]) -> str:
    written = io.StringIO()
    writer = csv.DictWriter(written, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue()


def _azure(path: Path) -> str:
    """The first requests, since a rate needs consecutive ones."""
    return "".join(_text(path).splitlines(keepends=True)[: LOG_ROWS + 1])


def _mooncake(path: Path) -> str:
    """All requests of conversations that are drawn at random; the second block names each."""
    lines = _text(path).splitlines(keepends=True)
    conversations = [json.loads(line)["hash_ids"][:2][-1] for line in lines]
    sizes = Counter(conversations)
    names = sorted(sizes)
    random.Random(SEED).shuffle(names)
    chosen, rows = set(), 0
    for name in names:
        if rows >= LOG_ROWS:
            break
        # Requests that are alone in their conversation share little with others.
        if sizes[name] > 1:
            chosen.add(name)
            rows += sizes[name]
    return "".join(line for line, name in zip(lines, conversations, strict=True) if name in chosen)


def _agents(path: Path) -> str:
    """Short conversations drawn at random, and the two shortest that have sub-agents."""
    with path.open("rb") as file:
        reader = zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(file)
        lines = io.TextIOWrapper(reader, "utf-8").readlines()
    alone, with_agents = [], []
    for line in lines:
        requests = json.loads(line)["requests"]
        has_agents = any("requests" in request for request in requests)
        if has_agents:
            with_agents.append((len(requests), line))
        elif len(requests) <= LONGEST_CONVERSATION:
            alone.append(line)
    chosen = {line for _, line in sorted(with_agents)[:2]}
    chosen |= set(random.Random(SEED).sample(alone, CONVERSATIONS))
    return "".join(line for line in lines if line in chosen)


def _kv_blocks(path: Path) -> str:
    """The logs of sources that state a licence."""
    rows = list(csv.DictReader(io.StringIO(_text(path))))
    return _table(list(rows[0]), [row for row in rows if re.search("Apache|MIT", row["source"])])


def _offers(path: Path) -> str:
    """Base rates of a stratified sample of offers, by provider, from sources under MIT."""
    rows = list(csv.DictReader(io.StringIO(_text(path))))
    rows = [row for row in rows if row["source"].startswith(("genai-prices", "litellm"))]
    chosen = stratified(rows, lambda row: row["provider"], OFFERS, random.Random(SEED))
    return _table(OFFER_COLUMNS, [row for row in rows if row in chosen])


def _leaderboard(path: Path) -> str:
    """Entries of models drawn at random, and of all that are listed twice."""
    entries = re.split(r"^(?=- dirname)", _text(path), flags=re.MULTILINE)[1:]
    models = [re.search(r"^  model: (.*)$", entry, re.MULTILINE)[1] for entry in entries]
    listed = Counter(models)
    once = [model for model in listed if listed[model] == 1]
    chosen = {model for model in listed if listed[model] > 1}
    chosen |= set(random.Random(SEED).sample(once, LEADERBOARD_MODELS))
    return "".join(e for e, model in zip(entries, models, strict=True) if model in chosen)


def _text(path: Path) -> str:
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8")


def _writer(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


if __name__ == "__main__":
    main()
