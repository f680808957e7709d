"""A real Prometheus server, with data of our own, read through its address.

The test needs the programs ``prometheus`` and ``promtool`` (Debian's package ``prometheus``) on the
path, and is skipped without them.
"""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
import pytest

from simulator.errors import InputError
from simulator.traffic.usage.buckets import Group
from simulator.traffic.usage.catalog import read_usage
from simulator.traffic.usage.metrics.server import AskedTime, read_server

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None or shutil.which("promtool") is None,
    reason="prometheus and promtool are not on the path (Debian's package prometheus)",
)

STEP_S, HOURS = 3600, 30
BEGIN_S = 1_793_577_600
"""2026-11-02, 00:00 UTC."""
NOW_S = BEGIN_S + HOURS * STEP_S
RESTART, GAP = 12, (20, 21)
"""Hours at which the first process restarted, and at which the second was not scraped."""
GROUP = Group("llama", "vllm")


def samples() -> str:
    """Hourly samples of two vLLM servers in the OpenMetrics format."""
    values: dict[str, list[str]] = {}
    for instance in ("a:8000", "b:8000"):
        labels = f'engine="0",instance="{instance}",job="vllm",model_name="llama"'
        for hour in range(HOURS + 1):
            if instance == "b:8000" and hour in GAP:
                continue
            counted = hour - RESTART if instance == "a:8000" and hour >= RESTART else hour + 5
            at = BEGIN_S + hour * STEP_S

            def note(name: str, value: float, more: str = "", at=at, labels=labels) -> None:
                family = name.removesuffix("_total").removesuffix("_bucket")
                values.setdefault(family, []).append(f"{name}{{{labels}{more}}} {value} {at}")

            note("vllm:prompt_tokens_total", 1000 * counted)
            note("vllm:prompt_tokens_cached_total", 400 * counted)
            note("vllm:generation_tokens_total", 200 * counted)
            note("vllm:request_success_total", 10 * counted, ',finished_reason="stop"')
            for le, share in (("100.0", 6), ("200.0", 9), ("+Inf", 10)):
                more = f',le="{le}"'
                note("vllm:request_prompt_tokens_bucket", share * counted, more)
    text = ""
    for family, lines in values.items():
        kind = (
            "histogram" if family.endswith("prompt_tokens") and "request" in family else "counter"
        )
        text += f"# TYPE {family} {kind}\n" + "\n".join(lines) + "\n"
    return text + "# EOF\n"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server that has the samples, under a path."""
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "samples.txt").write_text(samples())
    (folder / "prometheus.yml").write_text("global: {}\n")
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", folder / "samples.txt",
         folder / "data"], check=True, capture_output=True,
    )  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    base = f"http://127.0.0.1:{port}/metrics"
    log = (folder / "log.txt").open("wb")
    server = subprocess.Popen(
        ["prometheus", f"--config.file={folder / 'prometheus.yml'}",
         f"--storage.tsdb.path={folder / 'data'}", "--storage.tsdb.retention.time=100y",
         f"--web.listen-address=127.0.0.1:{port}", f"--web.external-url={base}"],
        stdout=log, stderr=log,
    )  # fmt: skip
    try:
        for _ in range(300):
            try:
                if urlopen(f"{base}/-/ready", timeout=5).status == 200:
                    break
            except (URLError, OSError):
                time.sleep(0.1)
        else:
            pytest.fail((folder / "log.txt").read_text())
        yield base
    finally:
        server.terminate()
        server.wait(30)
        log.close()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_hours_of_two_servers_with_a_restart_and_a_gap(address: str) -> None:
    usage, notices = read_server(address, AskedTime(days=HOURS / 24), NOW_S)
    assert usage.groups == (GROUP,)
    assert usage.begin_s.tolist() == [BEGIN_S + hour * STEP_S for hour in range(HOURS)]
    hours = np.arange(HOURS)
    # The first server restarts within the hour before RESTART and then has counted nothing yet.
    first = np.where(hours == RESTART - 1, 0, 1)
    second = np.where(np.isin(hours, (GAP[0] - 1, *GAP)), 0, 1)
    calls = 10 * (first + second)
    assert usage.requests.tolist() == calls.tolist()
    assert usage.prompt_tok.tolist() == (100 * calls).tolist()
    assert usage.cached_tok.tolist() == (40 * calls).tolist()
    assert usage.completion_tok.tolist() == (20 * calls).tolist()
    assert notices.left_out["steps without samples in series of vllm:prompt_tokens_total"] == 3
    prompt = usage.lengths[GROUP].prompt
    assert prompt is not None
    assert prompt.edges_tok.tolist() == [100, 200, np.inf]
    assert prompt.counts.tolist() == (np.array([0.6, 0.3, 0.1]) * calls.sum()).round().tolist()


def test_pieces_give_what_one_answer_gives(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = read_server(address, AskedTime(days=HOURS / 24), NOW_S)
    monkeypatch.setattr("simulator.traffic.usage.metrics.server.MOST_POINTS", 7)
    pieces, _ = read_server(address, AskedTime(days=HOURS / 24), NOW_S)
    assert pieces.requests.tolist() == whole.requests.tolist()


def test_what_the_server_refuses_is_said(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.traffic.usage.metrics.server.MOST_POINTS", 20_000)
    with pytest.raises(InputError, match="exceeded maximum resolution of 11,000 points"):
        read_server(address, AskedTime(days=10, step_s=60), NOW_S)


def test_a_span_without_samples(address: str) -> None:
    with pytest.raises(InputError, match="no metrics of vllm, sglang, litellm, tgi in the last 28"):
        read_server(address, now_s=BEGIN_S - 1000 * STEP_S)


def test_files_that_promtool_and_the_api_write(address: str, tmp_path: Path) -> None:
    whole, _ = read_server(address, AskedTime(days=HOURS / 24), NOW_S)
    printed = []
    for name in ("prompt_tokens_total", "prompt_tokens_cached_total", "generation_tokens_total",
                 "request_success_total", "request_prompt_tokens_bucket"):  # fmt: skip
        printed.append(subprocess.run(
            ["promtool", "query", "range", "-o", "json", f"--start={BEGIN_S}", f"--end={NOW_S}",
             "--step=1h", address, f"vllm:{name}"],
            check=True, capture_output=True, text=True, env={**os.environ, "no_proxy": "127.0.0.1"},
        ).stdout.strip())  # fmt: skip
    path = tmp_path / "usage.jsonl"
    path.write_text("\n".join(printed) + "\n")
    usage, export, _ = read_usage(path)
    assert export.name == "prometheus"
    for column in ("begin_s", "requests", "uncached_tok", "cached_tok", "completion_tok"):
        assert getattr(usage, column).tolist() == getattr(whole, column).tolist()
    counts = [u.lengths[GROUP].prompt.counts.tolist() for u in (usage, whole)]
    assert counts[0] == counts[1]
    url = f"{address}/api/v1/query_range?query=vllm:prompt_tokens_total&start={BEGIN_S}"
    with urlopen(f"{url}&end={NOW_S}&step=3600") as answer:
        (tmp_path / "answer.json").write_bytes(answer.read())
    alone, _, _ = read_usage(tmp_path / "answer.json")
    assert alone.uncached_tok.tolist() == whole.prompt_tok.tolist()
    assert json.loads((tmp_path / "answer.json").read_text())["status"] == "success"
