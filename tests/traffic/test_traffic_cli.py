"""``breakeven traffic`` and what scenarios do with logs and presets."""

import json
from pathlib import Path

import numpy as np
import pytest

from simulator.errors import InputError
from simulator.scenario.building.study import load_study
from simulator.traffic.formats.catalog import FORMATS, format_of, read_log
from simulator.traffic.formats.records.reading import Names, Skips, read
from simulator.traffic.formats.writing import write_log
from simulator.traffic.logs.stats import statistics
from simulator.units import HOUR_S, WEEK_S
from tests.support.checkout import BOTH, on_sample, on_whole
from tests.support.command import breakeven
from tests.support.scenarios import SMALL, write_scenario
from tests.support.traffic.log_samples import AZURE, GOOD, SPEND, document, lines
from tests.support.traffic.plain_logs import AGENT_BLOCK_TOK, agent_prompts, reuse

pytestmark = pytest.mark.slow


def convert(source: Path, target: Path, fmt: str | None = None) -> None:
    names = Names()
    batches = read(source, format_of(source, fmt), names, Skips())
    write_log(batches, names.workloads, target)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("generated") / "rag.csv"
    run = breakeven(
        "traffic", "generate", "rag", str(target), "--hours", "30",
        "--requests-per-month", "90000", "--seed", "5",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return target


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_canonical_forms_say_the_same(generated: Path, tmp_path: Path, suffix: str) -> None:
    other = tmp_path / f"other{suffix}"
    convert(generated, other)
    assert format_of(other).name == "canonical"
    found = [statistics(read_log(p, FORMATS["canonical"])).to_dict() for p in (generated, other)]
    assert found[0] == found[1]
    assert found[0]["reuse"]["share"] > 0.2
    convert(other, tmp_path / "again.csv")
    # Written once more, it is the same file: numbers are given in order of first use.
    convert(tmp_path / "again.csv", tmp_path / "third.csv")
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "third.csv").read_bytes()


def test_generation_repeats_itself(generated: Path, tmp_path: Path) -> None:
    again, other = tmp_path / "a.csv", tmp_path / "b.csv"
    arguments = ("--hours", "30", "--requests-per-month", "90000")
    for target, seed in ((again, "5"), (other, "6")):
        breakeven("traffic", "generate", "rag", str(target), *arguments, "--seed", seed)
    assert again.read_bytes() == generated.read_bytes() != other.read_bytes()


def test_prefixes_survive_conversion(tmp_path: Path) -> None:
    source = lines(tmp_path, *GOOD)
    convert(source, tmp_path / "out.csv")
    before, after = (
        read_log(source, FORMATS["mooncake"]),
        read_log(tmp_path / "out.csv", FORMATS["canonical"]),
    )
    np.testing.assert_array_equal(after.tree.parent, before.tree.parent)
    np.testing.assert_array_equal(after.tree.depth_tok, before.tree.depth_tok)
    np.testing.assert_array_equal(after.prefix_node, before.prefix_node)
    # Content hashes are gone: the ids 1 to 9 became tokens numbered from 0.
    assert "0+1100" in (tmp_path / "out.csv").read_text()


def test_awkward_workload_names_survive_csv(tmp_path: Path) -> None:
    names = ['a,b "c"', "two\nlines", "100%s", "plain"]
    rows = [{"arrival_s": i, "input_tokens": 5, "output_tokens": 1, "workload": name}
            for i, name in enumerate(names)]  # fmt: skip
    convert(lines(tmp_path, *rows), tmp_path / "o.csv")
    assert read_log(tmp_path / "o.csv", FORMATS["canonical"]).workloads == tuple(names)


def test_no_text_and_no_names_of_the_source_are_written(tmp_path: Path) -> None:
    for i, target in enumerate(("o.csv", "o.jsonl", "o.parquet")):
        source = document(tmp_path, [{**SPEND, "session_id": "alice@example"}], f"{i}.json")
        convert(source, tmp_path / target)
        content = (tmp_path / target).read_bytes()
        assert b"SECRET" not in content
        assert b"alice" not in content
        assert b"desk" in content  # workloads keep their names: they say what the traffic is


def test_stats(generated: Path, tmp_path: Path) -> None:
    run = breakeven("traffic", "stats", str(generated), "--output", "json")
    assert (run.returncode, run.stderr) == (0, "")
    found = json.loads(run.stdout)
    assert run.stdout == json.dumps(found, indent=2, sort_keys=True) + "\n"
    assert found["requests"] == len(generated.read_text().splitlines()) - 1
    assert found["dispersion"]["60s"] > 0.9
    out = tmp_path / "out"
    screen = breakeven("traffic", "stats", str(generated), "--out", str(out))
    assert max(map(len, screen.stdout.splitlines())) <= 80
    assert "input_tokens" in screen.stdout
    assert (out / "traffic.svg").read_text().count("<svg") == 1
    assert json.loads((out / "stats.json").read_text()) == found


def test_skip_bad_counts(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    good = "2023-11-16 18:15:46,5,5\n"
    path.write_text(AZURE + good + "2023-11-16 18:15:40,5,5\n" + good + "x,5,5\n" + good)
    strict = breakeven("traffic", "stats", str(path))
    assert (strict.returncode, strict.stdout) == (3, "")
    assert strict.stderr == f"breakeven: {path}:3:1: TIMESTAMP goes backwards\n"
    loose = breakeven("traffic", "stats", str(path), "--skip-bad", "-o", "json")
    assert json.loads(loose.stdout)["requests"] == 3
    expected = f"breakeven: 2 rows skipped, the first {path}:3:1: TIMESTAMP goes backwards\n"
    assert loose.stderr == expected
    target = tmp_path / "out.csv"
    broken = breakeven("traffic", "convert", str(path), str(target))
    assert broken.returncode == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["t.csv"]  # nothing half-written
    assert breakeven("traffic", "convert", str(path), str(target), "--skip-bad").returncode == 0
    assert len(target.read_text().splitlines()) == 4


def test_cache_by_capacity_and_by_rule(tmp_path: Path) -> None:
    path = str(lines(tmp_path, *GOOD, {**GOOD[0], "timestamp": 900_000}))
    run = breakeven("traffic", "cache", path, "--capacity-blocks", "100")
    found = json.loads(run.stdout)
    assert set(found) == {"blocks", "distinct", "hits", "hit_prefix", "hit_full", "hit_token"}
    assert (found["blocks"], found["distinct"], found["hits"]) == (10, 5, 5)
    assert found["hit_full"] == pytest.approx((2 + 2) / (2 + 3 + 0 + 2))
    small = breakeven("traffic", "cache", path, "--capacity-blocks", "1", "--policy", "fifo")
    assert json.loads(small.stdout)["hits"] == 0
    finer = breakeven("traffic", "cache", path, "--capacity-blocks", "999", "--block-tokens", "64")
    assert json.loads(finer.stdout)["blocks"] == 18 + 24 + 2 + 18
    total = 1100 + 1536 + 100 + 1100
    cached = {"openai-5m": 1024, "openai-1h": 2048, "openai-12h": 1024 + 1100, "infinite": 2124}
    for rule, tokens in cached.items():
        found = json.loads(breakeven("traffic", "cache", path, "--rule", rule).stdout)
        assert found["input_tokens"] == total
        assert found["cached_fraction"] == pytest.approx(tokens / total)
        read, write = {"infinite": (0, 1), "openai-12h": (0.05, 2.5)}.get(rule, (0.1, 1))
        # What is below 1,024 tokens is not written either.
        written = (1100 + 512 + 0) / total if rule == "openai-12h" else 0
        assert found["written_fraction"] == pytest.approx(written)
        price = 1 + tokens / total * (read - 1) + written * (write - 1)
        assert found["input_price_multiplier"] == pytest.approx(price)


def test_cache_needs_one_question(tmp_path: Path) -> None:
    path = str(lines(tmp_path, *GOOD))
    both = ("--rule", "infinite", "--capacity-blocks", "5")
    for arguments in ((), both):
        run = breakeven("traffic", "cache", path, *arguments)
        assert (run.returncode, run.stdout) == (2, "")
    run = breakeven("traffic", "cache", path, "--rule", "openai-5min")
    assert run.returncode == 3
    assert "did you mean 'openai-5m'?" in run.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("stats", "absent.csv"), "absent.csv: no such file"),
        (("stats", "mysql://h/d"), "no logs are read from mysql:// addresses"),
        (("convert", "t.csv", "out.txt"), "out.txt: logs are written as .csv, .jsonl, .parquet"),
        (("convert", "t.csv", "no/where.csv"), "no: no such directory"),
        (("generate", "chatt", "o.csv"), "chatt: no such file"),
        (("stats", "t.csv", "--format", "azur"), "unknown format 'azur' (did you mean 'azure'?)"),
    ],
)
def test_bad_arguments_are_one_line(tmp_path: Path, arguments: tuple, message: str) -> None:
    (tmp_path / "t.csv").write_text(AZURE + "2023-11-16 18:15:46,5,5\n")
    run = breakeven("traffic", *arguments, cwd=tmp_path)
    assert (run.returncode, run.stdout) == (3, "")
    assert run.stderr.count("\n") == 1
    assert message in run.stderr


SIZES = [
    argument
    for setting in (
        "own.replicas=2",
        "own.max_model_tokens=131072",
        "hybrid.replicas=1",
        "hybrid.spill_in_flight=32",
    )
    for argument in ("--set", f"options.{setting}")
]


def with_traffic(tmp_path: Path, **workload: object) -> Path:
    return write_scenario(tmp_path / "s.yaml", {**SMALL, "traffic": {"w": workload}})


def hourly_log(tmp_path: Path, rows: int = 4000) -> Path:
    path = tmp_path / "log.csv"
    at_s = np.linspace(0, 2 * HOUR_S, rows, endpoint=False)
    body = "".join(f"{t:.3f},{900 + i % 50},{80 + i % 9}\n" for i, t in enumerate(at_s))
    path.write_text("arrival_s,input_tokens,output_tokens\n" + body)
    return path


def test_replay_controls(tmp_path: Path) -> None:
    hourly_log(tmp_path)

    def source(**controls: object) -> object:
        path = with_traffic(tmp_path, kind="replay", path="log.csv", **controls)
        return load_study(path).traffic

    whole = source()
    assert whole.horizon_s == pytest.approx(2 * HOUR_S)
    half = source(begin_s=1800.0, end_s=5400.0)
    assert half.horizon_s == 3600
    assert half.table.size == 2000
    assert half.table.arrival_s[0] == pytest.approx(0, abs=2)
    slow = source(stretch=3.0)
    assert slow.horizon_s == pytest.approx(6 * HOUR_S)
    assert slow.requests_per_s == pytest.approx(whole.requests_per_s / 3)
    week = source(repeat_week="azure-code")
    assert week.horizon_s == WEEK_S
    assert week.requests_per_s == pytest.approx(whole.requests_per_s)
    drawn = [week.draw(1, volume, 0.0, 6 * HOUR_S) for volume in (2, 2.0)]
    assert drawn[0].size > 0
    assert (drawn[0].arrival_s == drawn[1].arrival_s).all()
    with pytest.raises(InputError, match=r"s.yaml:\d+:\d+: no session of the log of"):
        source(begin_s=8000.0)
    with pytest.raises(InputError, match=r"s.yaml:\d+:\d+: .*did you mean 'azure-code'"):
        source(repeat_week="azure-cod")
    with pytest.raises(InputError, match=r"s.yaml:\d+:\d+: unknown format"):
        source(format="azzure")


def test_replayed_log_with_bad_rows_says_so(tmp_path: Path) -> None:
    with hourly_log(tmp_path).open("a") as file:
        file.write("9000,many,5\n")
    path = with_traffic(tmp_path, kind="replay", path="log.csv")
    with pytest.raises(InputError, match=r"log.csv:4002:6: input_tokens must be a whole number"):
        load_study(path)
    study = load_study(path, ["traffic.w.skip_bad=true"])
    assert any("1 unusable rows of log.csv left out" in note for note in study.notes)


def test_a_scenario_may_start_from_a_preset(tmp_path: Path) -> None:
    path = with_traffic(
        tmp_path, kind="sessions", preset="agentic_coding", requests_per_month=50000, week="flat"
    )
    (spec,) = load_study(path).traffic.workloads
    assert spec.tools is not None
    assert (spec.rate.week == 1).all()
    run = breakeven("simulate", str(path), "--output", "json", "--set", "horizon_hours=6", *SIZES)
    assert run.returncode == 0, run.stderr
    assert "preset" not in run.stderr
    # A value out of the preset is blamed on the preset's file.
    with pytest.raises(InputError, match=r"unknown key 'weak'"):
        load_study(path, ["traffic.w.weak=1"])


def counted_hits(trace: Path) -> tuple[float, float]:
    """Shares of blocks and of tokens that an earlier prompt had, counted in plain Python."""
    prompts = agent_prompts(trace)
    share, found, _ = reuse(prompts, AGENT_BLOCK_TOK)
    return len(found) / sum(len(prompt.blocks) for prompt in prompts), share


@pytest.mark.parametrize(("data", "published"), [on_sample(None), on_whole((0.9634, 0.963))])
def test_agent_trace_through_the_command(
    tmp_path: Path, data: Path, published: tuple[float, float] | None
) -> None:
    path = data / "traces" / "claude_code_agent_traces.jsonl.zst"
    blocks, tokens = published or counted_hits(path)
    trace = str(path)
    run = breakeven("traffic", "cache", trace, "--capacity-blocks", "1000000")
    assert json.loads(run.stdout)["hit_prefix"] == pytest.approx(blocks, abs=0.0001)
    target = tmp_path / "agents.parquet"
    assert breakeven("traffic", "convert", trace, str(target)).returncode == 0
    rules = [
        json.loads(breakeven("traffic", "cache", p, "--rule", "infinite").stdout)
        for p in (trace, str(target))
    ]
    assert rules[0] == rules[1]
    assert rules[0]["cached_fraction"] == pytest.approx(tokens, abs=0.0005)


@pytest.mark.parametrize("data", BOTH)
@pytest.mark.parametrize(
    "name",
    [
        "azure2023_conv.csv.gz",
        "mooncake_conversation_trace.jsonl.gz",
        "claude_code_agent_traces.jsonl.zst",
    ],
)
def test_every_trace_replays_in_a_scenario(tmp_path: Path, data: Path, name: str) -> None:
    path = with_traffic(tmp_path, kind="replay", path=str(data / "traces" / name))
    run = breakeven(
        "simulate", str(path), "--output", "json", "--set", "traffic.w.end_s=600", *SIZES
    )
    assert run.returncode == 0, run.stderr
    for option in json.loads(run.stdout)["options"]:
        assert option["requests"]["offered"] > 0


def test_a_volume_below_one_request_is_wrong_usage(tmp_path: Path) -> None:
    run = breakeven("traffic", "generate", "rag", str(tmp_path / "x.csv"),
                    "--requests-per-month", "0.5")  # fmt: skip
    assert run.returncode == 2
    assert not list(tmp_path.iterdir())
