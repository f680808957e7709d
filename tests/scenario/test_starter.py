"""``breakeven new``: a valid scenario from a few answers, or one line and no file."""

import shlex
import sys
from pathlib import Path

import pexpect
import pytest

from simulator.cli.commands.new import PRESETS
from simulator.errors import InputError
from simulator.files.yamltree import parse
from simulator.scenario.building.study import Loaded, load, load_document
from simulator.scenario.catalog.price_book import known_offers
from simulator.scenario.resolve.load import read_document
from simulator.scenario.resolve.presets import preset_names
from simulator.scenario.variations.sweep import read_sweep, sweep_points
from tests.support.scenarios import as_json, problems
from tests.support.tiny import exit_code, invoke, quiet_environment

ANSWERS = {
    "offer": "openai/gpt-6.1-terra",
    "model": "llama-3.1-8b",
    "gpu": "l40s",
    "preset": "chat",
    "requests-per-month": "2M",
    "ttft": "2s",
    "tpot": "60ms",
    "engineers": "0.5",
}


def flags(*more: str, without: tuple[str, ...] = (), **changes: str) -> list[str]:
    answers = ANSWERS | {name.replace("_", "-"): value for name, value in changes.items()}
    kept = {name: value for name, value in answers.items() if name not in without}
    return [text for name, value in kept.items() for text in (f"--{name}", value)] + list(more)


def written(target: Path, *arguments: str) -> Loaded:
    """The scenario that the command writes: checked, with the last point of its sweep."""
    result = invoke("new", target, *arguments, code=0)
    assert result.stdout == ""
    assert result.stderr == f"{target}: breakeven run {target} --out out\n"
    assert problems(as_json(target)) == []
    document = read_document(target)
    load_document(sweep_points(document, read_sweep(document))[-1].document)
    assert [path.name for path in target.parent.iterdir() if path.name[0] == "."] == []
    return load(target)


@pytest.mark.slow
@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_makes_a_valid_scenario(tmp_path: Path, preset: str) -> None:
    found = written(tmp_path / "mine.yaml", *flags(preset=preset))
    (workload,) = found.scenario.traffic.values()
    assert workload.preset == preset  # type: ignore[union-attr]
    assert workload.requests_per_month == 2_000_000  # type: ignore[union-attr]
    assert found.study.name == "mine"
    assert [option.kind for option in found.study.options] == ["api", "selfhost", "hybrid"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "gpu", "gpus", "weights"),
    [
        ("llama-3.1-8b", "l40s", 1, "fp8"),
        ("llama-3.3-70b", "h100-sxm", 2, "fp8"),
        ("llama-3.3-70b", "a100-sxm-80", 4, "bf16"),
        ("gpt-oss-120b", "h100-sxm", 1, "mxfp4"),
        ("deepseek-r1", "h200-sxm", 8, "fp8"),
    ],
)
def test_models_are_put_on_the_fewest_gpus(
    tmp_path: Path, model: str, gpu: str, gpus: int, weights: str
) -> None:
    target = tmp_path / "mine.yaml"
    own = written(target, *flags(model=model, gpu=gpu)).scenario.options[f"own-{gpu}"]
    assert (own.model, own.accelerator) == (model, gpu)  # type: ignore[union-attr]
    assert own.gpus_per_replica == gpus  # type: ignore[union-attr]
    assert own.weight_precision == weights  # type: ignore[union-attr]


def test_every_pair_that_fits_is_an_option(tmp_path: Path) -> None:
    target = tmp_path / "mine.yaml"
    more = ("--model", "deepseek-r1", "--model", "LLAMA-3.1-8B", "--gpu", "h100", "--gpu", "b300")
    result = invoke("new", target, *flags(*more, gpu="l4"), code=0)
    found = load(target)
    own = {name: o for name, o in found.scenario.options.items() if o.kind == "selfhost"}
    assert {name: (o.model, o.accelerator) for name, o in own.items()} == {  # type: ignore[union-attr]
        "own-llama-3-1-8b-l4": ("llama-3.1-8b", "l4"),
        "own-llama-3-1-8b-h100-sxm": ("llama-3.1-8b", "h100-sxm"),
        "own-deepseek-r1-h100-sxm": ("deepseek-r1", "h100-sxm"),
    }
    assert own["own-deepseek-r1-h100-sxm"].gpus_per_replica == 16  # type: ignore[union-attr]
    left_out = [line for line in result.stderr.splitlines() if line.startswith("left out: ")]
    assert len(left_out) == 3
    assert "deepseek-r1 does not fit 16 x l4 in fp8" in left_out[1] + left_out[2]
    assert sum("no on-demand rent of b300-sxm is known" in line for line in left_out) == 2
    assert all(line in target.read_text() for line in left_out)


def test_names_say_what_tells_the_pairs_apart(tmp_path: Path) -> None:
    for changes, expected in (
        (("--gpu", "a10g"), ["own-l40s", "own-a10g"]),
        (("--model", "qwen3-8b"), ["own-llama-3-1-8b", "own-qwen3-8b"]),
        ((), ["own-l40s"]),
    ):
        target = tmp_path / "mine.yaml"
        invoke("new", target, "--force", *flags(*changes), code=0)
        options = load(target).scenario.options
        assert [name for name, o in options.items() if o.kind == "selfhost"] == expected


def test_replicas_are_set_up_for_the_prompts_of_the_traffic(tmp_path: Path) -> None:
    lengths = {}
    for preset in ("chat", "chat_long_context"):
        target = tmp_path / f"{preset}.yaml"
        invoke("new", target, *flags(preset=preset), code=0)
        lengths[preset] = load(target).scenario.options["own-l40s"].max_model_tokens  # type: ignore[union-attr]
    assert lengths["chat"] is None
    assert 100_000 < lengths["chat_long_context"] <= 131_072


def test_the_default_file_is_never_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    invoke("new", *flags(), code=0)
    before = (tmp_path / "scenario.yaml").read_text()
    result = invoke("new", *flags(preset="rag"), code=2)
    assert "scenario.yaml exists already" in " ".join(result.stderr.replace("│", " ").split())
    assert (tmp_path / "scenario.yaml").read_text() == before
    invoke("new", "--force", *flags(preset="rag"), code=0)
    assert (tmp_path / "scenario.yaml").read_text() != before


def test_all_wrong_answers_are_reported_at_once(tmp_path: Path) -> None:
    wrong = flags(
        preset="chta", offer="openai/gpt-4.l", model="lama-3.1-8b", gpu="a100", ttft="2 parsecs",
        requests_per_month="many", engineers="lots",
    )  # fmt: skip
    result = invoke("new", tmp_path / "mine.yaml", *wrong, code=3)
    assert isinstance(result.exception, InputError)
    assert len(result.exception.errors) == 7
    assert list(tmp_path.iterdir()) == []


def test_the_help_lists_the_presets() -> None:
    assert PRESETS.split(", ") == preset_names()


def test_answers_are_taken_as_said(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "mine.yaml"
    found = written(
        target, *flags(requests_per_month="3.2/s", ttft="500ms", engineers="0.25",
                       without=("tpot",)),
    )  # fmt: skip
    assert found.scenario.slo.ttft_s == 0.5
    assert found.scenario.slo.tpot_s is None
    assert found.scenario.traffic["chat"].requests_per_month == pytest.approx(3.2 * 730 * 3600)
    assert found.scenario.people.engineers_fte == 0.25
    assert "ttft_s: 500ms" in target.read_text()


def test_offers_of_one_model_are_told_apart(tmp_path: Path) -> None:
    by_model: dict[str, list[str]] = {}
    for offer in known_offers():
        by_model.setdefault(offer.rpartition("/")[2], []).append(offer)
    first, second = next(offers for offers in by_model.values() if len(offers) > 1)[:2]
    found = written(tmp_path / "mine.yaml", *flags("--offer", first, "--offer", second))
    apis = [o.offer for o in found.scenario.options.values() if o.kind == "api"]
    assert apis == [ANSWERS["offer"], first, second]
    assert found.scenario.options["hybrid"].overflow in found.scenario.options


@pytest.mark.slow
@pytest.mark.parametrize("offer", known_offers())
def test_every_offer_makes_a_name(tmp_path: Path, offer: str) -> None:
    found = invoke("new", tmp_path / "mine.yaml", *flags(offer=offer), code=0)
    assert found.stdout == ""
    said = parse((tmp_path / "mine.yaml").read_text())
    name = next(iter(said["options"]))
    assert said["options"][name]["offer"] == offer
    assert said["options"]["hybrid"]["overflow"] == name


@pytest.mark.slow
@pytest.mark.parametrize("stem", ["1", "true", "my study", "x: y", "it's #1", "-", "null", "ü"])
def test_any_file_name_is_a_name(tmp_path: Path, stem: str) -> None:
    assert written(tmp_path / f"{stem}.yaml", *flags()).study.name == stem


@pytest.mark.slow
@pytest.mark.parametrize("place", ["log.csv", "logs #1/a: b.csv"])
def test_a_log_in_the_place_of_a_preset(tmp_path: Path, place: str) -> None:
    log = tmp_path / place
    log.parent.mkdir(exist_ok=True)
    command = ("--hours", "3", "--requests-per-month", "30000", "--seed", "5")
    invoke("traffic", "generate", "rag", log, *command, code=0)
    without = ("preset", "requests-per-month")
    target = tmp_path / "deep" / "mine.yaml"
    found = written(target, *flags("--trace", str(log), without=without))
    (workload,) = found.scenario.traffic.values()
    assert (target.parent / workload.path).resolve() == log  # type: ignore[union-attr]
    assert workload.format == "canonical"  # type: ignore[union-attr]
    assert workload.repeat_week == "azure-conversation"  # type: ignore[union-attr]
    rows = len(log.read_text().splitlines()) - 1
    assert f"Your log: {rows} requests in" in target.read_text()
    # As it is, it has all of its requests.
    as_it_is = load(target, ["traffic.log.repeat_week=null"]).study.traffic
    assert as_it_is.table.size == rows  # type: ignore[union-attr]


def test_a_file_is_replaced_only_by_force(tmp_path: Path) -> None:
    target = tmp_path / "mine.yaml"
    target.write_text("mine\n")
    result = invoke("new", target, *flags(), code=2)
    assert "--force overwrites it" in result.stderr
    assert target.read_text() == "mine\n"
    written(target, "--force", *flags())


def test_missing_answers_are_listed_where_nobody_can_be_asked(tmp_path: Path) -> None:
    target = tmp_path / "mine.yaml"
    result = invoke("new", target, code=2)
    said = " ".join(result.stderr.replace("│", " ").split())
    assert (
        "missing --preset, --requests-per-month, --offer, --model, --gpu, --ttft, --tpot, "
        "--engineers" in said
    )
    result = invoke("new", target, *flags(without=("gpu", "offer")), code=2)
    assert "missing --offer, --gpu" in " ".join(result.stderr.split())
    result = invoke("new", target, "--trace", "log.csv", code=2)
    assert "missing --offer, --model" in " ".join(result.stderr.split())
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preset": "chta"}, "unknown preset 'chta' (did you mean 'chat'?)"),
        ({"offer": "openai/gpt-6.1-tera"}, "(did you mean 'openai/gpt-6.1-terra'?)"),
        ({"model": "llama-3.3-70"}, "unknown model 'llama-3.3-70' (did you mean 'llama-3.3-70b'?)"),
        ({"gpu": "voodoo-2"}, "voodoo-2"),
        ({"model": "deepseek-r1", "gpu": "l4"}, "deepseek-r1 does not fit 16 x l4 in fp8"),
        ({"requests_per_month": "many"}, "requests_per_month: 'many' is not a quantity, such as"),
        ({"requests_per_month": "5s"}, "requests_per_month: '5s' has the wrong unit"),
        ({"requests_per_month": "-5"}, "requests_per_month must be greater than 0, not -5"),
        ({"ttft": "2 parsecs"}, "ttft_s: '2 parsecs' has the wrong unit; write 500ms"),
        ({"ttft": "-1s"}, "ttft_s must be greater than 0, not -1"),
        ({"ttft": "soon"}, "ttft_s must be a valid number"),
        ({"engineers": "lots"}, "engineers_fte must be a valid number"),
        ({"trace": "nothing.csv"}, "nothing.csv"),
    ],
)
def test_what_is_wrong_is_one_line_and_no_file(
    tmp_path: Path, changes: dict[str, str], message: str
) -> None:
    result = invoke("new", tmp_path / "mine.yaml", *flags(**changes))
    assert exit_code(result) == 3, result.stderr
    assert message in str(result.exception)
    assert len(str(result.exception).splitlines()) == 1
    # No name of a draft that nobody knows.
    assert ".new" not in str(result.exception)
    assert (result.stdout, result.stderr) == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_a_bad_log_is_told_by_its_line(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("arrival_s,input_tokens,output_tokens\n0,5,5\n1,many,5\n")
    without = ("preset", "requests-per-month")
    result = invoke("new", tmp_path / "s.yaml", *flags("--trace", str(log), without=without))
    assert exit_code(result) == 3
    assert str(result.exception).startswith(f"{log}:3:3: input_tokens must be")
    assert list(tmp_path.iterdir()) == [log]


def asked(*arguments: str) -> "pexpect.spawn[str]":
    """The command at work on a terminal."""
    code = "from simulator.cli.main import main; main()"
    return pexpect.spawn(
        sys.executable,
        ["-c", code, "new", *arguments],
        env=quiet_environment(),
        encoding="utf-8",
        timeout=60,
        dimensions=(40, 400),
    )


@pytest.mark.slow
def test_a_person_is_asked_for_what_no_flag_says(tmp_path: Path) -> None:
    target = tmp_path / "mine.yaml"
    terminal = asked(str(target), "--model", "llama-3.1-8b")
    try:
        for question, answer in (
            ("Kind of traffic .*\\[chat\\]: ", "40M"),
            ("unknown preset '40M'; presets: .*rag.*\\[chat\\]: ", "?"),
            ("agent_small, .*, reasoning\r\n.*\\[chat\\]: ", "rag"),
            ("Requests per month .*: ", "5s"),
            ("has the wrong unit.*Requests per month .*: ", "1.5M"),
            ("API to compare .*: ", "openai/gpt-6.1-tera"),
            ("did you mean 'openai/gpt-6.1-terra'.*API to compare .*: ",
             "openai/gpt-6.1-terra, openai/gpt-4.1"),
            ("Accelerator .*\\[h100-sxm\\]: ", "a100"),
            ("a100-pcie-40, .*Accelerator .*\\[h100-sxm\\]: ", "L40S"),
            ("Target for the first token \\[2s\\]: ", "soon"),
            ("ttft_s must be a valid number.*first token \\[2s\\]: ", ""),
            ("Target per further token \\[60ms\\]: ", "80ms"),
            ("Engineers .*\\[0.5\\]: ", ""),
        ):  # fmt: skip
            terminal.expect(question)
            terminal.sendline(answer)
        terminal.expect(pexpect.EOF)
    finally:
        terminal.close()
    assert terminal.exitstatus == 0, terminal.before
    found = load(target)
    assert list(found.scenario.traffic) == ["rag"]
    assert found.scenario.traffic["rag"].requests_per_month == 1_500_000  # type: ignore[union-attr]
    assert (found.scenario.slo.ttft_s, found.scenario.slo.tpot_s) == (2, 0.08)
    assert list(found.scenario.options) == ["gpt-6-1-terra", "gpt-4-1", "own-l40s", "hybrid"]


@pytest.mark.slow
@pytest.mark.parametrize("end", ["interrupt", "end of input", "late fault"])
def test_nothing_that_was_answered_is_lost(tmp_path: Path, end: str) -> None:
    log = tmp_path / "a log.csv"
    log.write_text("arrival_s,input_tokens,output_tokens\n0,5,5\n1,many,5\n")
    target = tmp_path / "mine.yaml"
    terminal = asked(str(target), "--trace", str(log), "--ttft", "2s", "--engineers", "1")
    try:
        for question, answer in (
            ("API to compare .*: ", "openai/gpt-4.1,openai/gpt-6.1-terra"),
            ("Model .*: ", "llama-3.1-8b"),
        ):
            terminal.expect(question)
            terminal.sendline(answer)
        terminal.expect("Accelerator .*: ")
        if end == "interrupt":
            terminal.sendintr()
        elif end == "end of input":
            terminal.sendeof()
        else:
            terminal.sendline("l40s")
        terminal.expect(pexpect.EOF)
        said = terminal.before
    finally:
        terminal.close()
    assert terminal.exitstatus == {"interrupt": 130, "end of input": 1, "late fault": 3}[end]
    assert said is not None
    (line,) = (line for line in said.splitlines() if line.startswith("to go on from here: "))
    words = shlex.split(line.removeprefix("to go on from here: "))
    gpu = ["--gpu", "l40s"] if end == "late fault" else []
    assert words == [
        "breakeven", "new", str(target), "--trace", str(log), "--ttft", "2s", "--engineers", "1",
        "--offer", "openai/gpt-4.1", "--offer", "openai/gpt-6.1-terra", "--model", "llama-3.1-8b",
        *gpu,
    ]  # fmt: skip
    assert not target.exists()
    log.write_text("arrival_s,input_tokens,output_tokens\n0,5,5\n1,7,5\n")
    assert invoke(*words[1:], *([] if gpu else ["--gpu", "l40s"])).exit_code == 0
    assert list(load(target).scenario.options)[:2] == ["gpt-4-1", "gpt-6-1-terra"]
