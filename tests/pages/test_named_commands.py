"""Commands and options that pages, the README and scenarios' headers name exist, and work.

Every option is executed somewhere: by a page, by a test, or here.
"""

import ast
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from blocks import FENCE, PROMPT
from outputs import TIMES, WRITTEN
from typer.testing import CliRunner

from simulator.cli.app import app
from tests.support.checkout import ROOT, SHIPPED
from tests.support.scenarios import SMALL, write_scenario

pytestmark = pytest.mark.slow

CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")

Path_ = tuple[str, ...]


def tree(command: Any, path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    """All commands by their words, groups and the root included."""
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from tree(inner, (*path, name))


COMMANDS: dict[Path_, Any] = dict(tree(typer.main.get_command(app)))
FLAGS = {
    path: [parameter.opts for parameter in command.params if parameter.opts[0].startswith("-")]
    for path, command in COMMANDS.items()
}
"""Names of each option, long and short, by command."""
KNOWN = {
    path: {name for names in found for name in names} | {"--help"} for path, found in FLAGS.items()
}


def asked(words: list[str]) -> tuple[Path_, list[str]]:
    """Command that a line calls, and what it gives it."""
    path: Path_ = ()
    while len(path) < len(words) and (*path, words[len(path)]) in COMMANDS:
        path = (*path, words[len(path)])
    return path, words[len(path) :]


def flags_among(words: list[str]) -> list[str]:
    return [
        word.partition("=")[0]
        for word in words
        if re.match(r"--?[a-zA-Z]", word) and " " not in word
    ]


def lines_of(text: str) -> Iterator[str]:
    """Calls of the command in fences and in code within lines, and flags that stand alone."""
    for _, block in FENCE.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            line = line.removeprefix(PROMPT)
            if line.startswith("breakeven "):
                yield line
    for code in CODE.findall(FENCE.sub("", text)):
        words = code.split()
        if words[0] == "breakeven" or words[0].startswith("--"):
            yield code
        elif (words[0],) in COMMANDS and flags_among(words):
            yield f"breakeven {code}"


def header(scenario: Path) -> list[str]:
    """Commands that a scenario's header says to try."""
    text = scenario.read_text(encoding="utf-8")
    tried = text.partition("# TRY IT")[2].partition("# EXPECTED")[0]
    joined = re.sub(r"\\\n#", " ", tried)
    return [" ".join(line.lstrip("# ").split()) for line in joined.splitlines() if line.strip("# ")]


def told() -> dict[str, list[str]]:
    """Calls and flags that pages name, by page."""
    pages = [*WRITTEN, ROOT / "CONTRIBUTING.md"]
    found = {path.name: list(lines_of(path.read_text(encoding="utf-8"))) for path in pages}
    return found | {path.name: header(path) for path in SHIPPED}


@pytest.mark.parametrize(("page", "lines"), told().items(), ids=told())
def test_whatever_is_named_exists(page: str, lines: list[str]) -> None:
    anywhere = {name for names in KNOWN.values() for name in names}
    for line in lines:
        words = shlex.split(line.replace("\\|", "|"), comments=True)
        if words[0] != "breakeven":
            unknown = set(flags_among(words)) - anywhere
        else:
            path, given = asked(words[1:])
            is_group = hasattr(COMMANDS[path], "commands")
            named = given[0] if given else "-"
            assert not is_group or named.startswith("-") or named.isupper(), f"{page}: {line}"
            unknown = set(flags_among(given)) - KNOWN[path]
        assert not unknown, f"{page}: {line}: no {unknown}"


def executed_in(commands: Iterable[str]) -> Iterator[tuple[Path_, str]]:
    """Options of commands that are run, by command."""
    for command in commands:
        path, given = asked(shlex.split(command)[1:])
        yield from ((path, flag) for flag in flags_among(given))


def executed_in_tests() -> Iterator[tuple[Path_, str]]:
    """Commands and options of which a test, or what it calls in its file, holds all words."""
    for file in sorted((ROOT / "tests").rglob("*.py")):
        if file == Path(__file__):
            continue
        parts = {
            name: part
            for part in ast.parse(file.read_text(encoding="utf-8")).body
            for name in names_of(part)
        }
        for name in parts:
            words = words_of(name, parts, set())
            for path, known in KNOWN.items():
                if words.issuperset(path):
                    yield from ((path, flag) for flag in known & words)


def names_of(part: ast.stmt) -> list[str]:
    """What a statement at the top of a file defines."""
    if isinstance(part, ast.FunctionDef | ast.ClassDef):
        return [part.name]
    targets = part.targets if isinstance(part, ast.Assign) else [getattr(part, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def words_of(name: str, parts: dict[str, ast.stmt], seen: set[str]) -> set[str]:
    """Words of all texts in a part of a file, and in the parts that it names."""
    seen.add(name)
    words: set[str] = set()
    for node in ast.walk(parts[name]):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            words |= set(node.value.split())
        elif isinstance(node, ast.Name) and node.id in parts and node.id not in seen:
            words |= words_of(node.id, parts, seen)
    return words


def test_every_option_is_executed_somewhere() -> None:
    executed = {*executed_in(TIMES), *executed_in(CHEAP), *executed_in_tests()}
    missing = [
        " ".join(("breakeven", *path, names[0]))
        for path, options in FLAGS.items()
        for names in options
        if not any((path, name) in executed for name in names)
    ]
    assert not missing, "\n".join(missing)


STARTED = (
    "--weights-gb 9 --enforce-eager --max-num-batched-tokens 4096 --max-num-seqs 64 "
    "--gpu-memory-utilization 0.85 --no-prefix-caching --kv fp8 --kv-tokens 200000"
)
DEPLOYED = "--model llama-3.1-8b --gpu h100 --gpus 4 --tp 2 --parallelism dp_attn --engine sglang"
ALONE = "--set options.hybrid.replicas=1 --set options.hybrid.spill_in_flight=8"
CHEAP = [
    f"breakeven {line}"
    for line in (
        "--version",
        "--install-completion bash",
        "--show-completion bash",
        "traffic generate small.yaml log.csv --hours 1 --set traffic.chat.requests_per_month=100k",
        "traffic cache log.csv --format canonical --skip-bad --capacity-blocks 100 --policy fifo",
        f"simulate small.yaml --precision 0.5 --most 2 --set options.own.replicas=1 {ALONE}",
        f"simulate small.yaml --whole --set options.own.replicas=1 {ALONE}",
        "run small.yaml --effort 1 --whole",
        "run small.yaml --within 1s",
        "sweep small.yaml --seed 4 --no-cache --jobs 1 --set options.own.replicas=1 "
        f"{ALONE} --set 'sweep={{each: simulate, grid: {{slo.ttft_s: [1, 2]}}}}'",
        "capacity small.yaml --seed 4 --precision 0.5 --no-cache --whole",
        "explain small.yaml --seed 4 --output csv --whole",
        f"calibrate points.csv {DEPLOYED} {STARTED} --out calibrated.yaml",
        f"bench {DEPLOYED} {STARTED} --load request-rate --value 2 --isl 100 --osl 20 "
        "--range-ratio 0.5 --requests 20 --calibration calibrated.yaml",
        "prices list gpt-6.1 --book book.json",
    )
]
"""What nobody else runs with these options."""


def test_options_that_no_page_shows_do_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")  # there is none
    write_scenario(tmp_path / "small.yaml", {**SMALL, "horizon_hours": 1})
    (tmp_path / "book.json").write_text("{}")
    (tmp_path / "points.csv").write_text(
        "isl,osl,load_kind,load_value,output_tok_s\n512,64,concurrency,8,900\n"
    )
    for command in CHEAP:
        arguments = shlex.split(command)[1:]
        result = CliRunner().invoke(app, arguments, prog_name="breakeven")
        assert result.exit_code == 0, f"{command}: {result.exception!r}\n{result.output}"
        assert result.output, command
    assert "breakeven.sh" in (tmp_path / ".bashrc").read_text()


TRIED = [(scenario.stem, command) for scenario in SHIPPED for command in header(scenario)]


@pytest.mark.parametrize("name", dict(TRIED))
def test_what_a_header_says_to_try_is_possible(name: str) -> None:
    """Commands on scenarios are checked with their settings; others are run."""
    for _, command in (each for each in TRIED if each[0] == name):
        path, given = asked(shlex.split(command)[1:])
        takes = [parameter.name for parameter in COMMANDS[path].params]
        arguments = [*path, *given]
        if takes[0] == "scenario":
            arguments = ["validate", given[0], *settings_among(given)]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, f"{command}: {result.exception!r}\n{result.output}"


def settings_among(given: list[str]) -> list[str]:
    """Settings of a command; the beginning of an axis is one."""
    found = []
    for place, word in enumerate(given):
        if word == "--set":
            found += ["--set", given[place + 1]]
        elif word == "--axis":
            low = given[given.index("--between") + 1]
            found += ["--set", f"{given[place + 1]}={low}"]
    return found
