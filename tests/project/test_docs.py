"""The pages of ``docs/``: every command is run, and says what its page shows of it.

A block is a fence and its first line. ``console`` blocks that begin with ``$ breakeven`` hold
commands, each with lines that its output must have, in this order; ``...`` is what was left out.
A block whose first line is ``# file: NAME`` is written to the folder in which the page's later
commands run, without that line where the format knows no comments. ``python`` blocks are run there
too, in one namespace for each page; a ``text`` block behind one has lines that it must print.

Whatever command or option a page, the README or a scenario's header names exists, and every option
is executed somewhere.
"""

import ast
import os
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import matplotlib as mpl
import pytest
import typer
from typer.testing import CliRunner

from simulator.cli.app import app
from tests.support.checkout import ROOT, SHIPPED
from tests.support.scenarios import SMALL, write_scenario

DOCS = ROOT / "docs"
PROMPT = "$ "
COMMAND = f"{PROMPT}breakeven "
FILE = re.compile(r"# file: (\S+)\n")
COMMENTED = ("yaml", "python")
"""Languages in which the line that names a file may stay."""
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


class Block(NamedTuple):
    language: str
    text: str

    @property
    def is_run(self) -> bool:
        """Whether something happens at the block."""
        if self.language == "console":
            return self.text.startswith(COMMAND)
        return self.language in ("python", "text") or FILE.match(self.text) is not None

    @property
    def commands(self) -> list[tuple[str, list[str]]]:
        """Commands, each with the lines shown below it."""
        if self.language != "console":
            return []
        return [
            (command, shown)
            for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]
            for command, *shown in [part.strip("\n").split("\n")]
        ]


def blocks(page: Path) -> list[Block]:
    """Blocks of a page at which something happens."""
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [block for block in (Block(*each) for each in found) if block.is_run]


WRITTEN = [path for path in sorted(DOCS.glob("*.md")) if not path.stem.endswith("_intro")]
QUESTIONS = blocks(DOCS / "questions.md")
PAGES = {
    path.name: found for path in WRITTEN if path.name != "questions.md" and (found := blocks(path))
}
README = blocks(ROOT / "README.md")
CASES = {f"question-{n}": [block] for n, block in enumerate(QUESTIONS, start=1)}
CASES |= {**PAGES, "README.md": README}
TIMES = Counter(command for case in CASES.values() for b in case for command, _ in b.commands)


def is_repeated(case: list[Block]) -> bool:
    """Whether another case runs one of the commands too."""
    return any(TIMES[command] > 1 for block in case for command, _ in block.commands)


def grouped(name: str, case: list[Block]) -> pytest.ParameterSet:
    """One test; those that share a command run in one process, where it is run once."""
    marks = [pytest.mark.xdist_group("docs")] if is_repeated(case) else []
    return pytest.param(case, id=name, marks=marks)


def output(command: str, folder: Path) -> list[str]:
    """Lines that a command prints.

    It runs in this process, as on a machine of one core: what it prints does not depend on that,
    and starting processes would take longer than most answers.
    """
    assert command.startswith("breakeven "), f"only breakeven is run, not {command}"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(os, "cpu_count", lambda: 1)
        patch.setenv("NO_COLOR", "1")
        patch.setenv("COLUMNS", "80")
        result = CliRunner().invoke(app, shlex.split(command)[1:])
    assert result.exit_code == 0, f"{command}: {result.exception!r}\n{result.output}"
    return [line.rstrip() for line in result.stdout.splitlines()]


@cache
def output_anywhere(command: str) -> list[str]:
    """The same of a command that depends on no file."""
    with TemporaryDirectory() as folder:
        return output(command, Path(folder))


def compare(shown: list[str], printed: list[str]) -> None:
    """Find every shown line behind the one before it."""
    place = 0
    for line in (line.rstrip() for line in shown if line != "..."):
        everything = "\n".join(printed)
        assert line in printed[place:], f"{line}\n not in its place in \n{everything}"
        place = printed.index(line, place) + 1


def write(block: Block, folder: Path) -> str | None:
    """Write a block that is a file, and return its name; None where it is none."""
    named = FILE.match(block.text)
    if named is None:
        return None
    text = block.text if block.language in COMMENTED else block.text[named.end() :]
    (folder / named[1]).write_text(text, encoding="utf-8")
    return named[1]


def printed_by(block: Block, namespace: dict[str, Any]) -> list[str]:
    """Run a block of Python, and return the lines that it prints."""
    printed = StringIO()
    with redirect_stdout(printed):
        exec(compile(block.text, "<page>", "exec"), namespace)
    return [line.rstrip() for line in printed.getvalue().splitlines()]


def test_there_are_fifteen_questions() -> None:
    assert len(QUESTIONS) == 15
    assert all(len(block.commands) == 1 for block in QUESTIONS)


def test_every_page_shows_what_is_run() -> None:
    assert set(PAGES) >= {
        "commands.md", "distributed.md", "library.md", "models.md", "prices.md", "profiles.md",
        "scenario.md", "sweeps.md", "why-our-number-differs.md",
    }  # fmt: skip


@pytest.mark.parametrize("case", [grouped(*item) for item in CASES.items()])
def test_the_answers_are_those_shown(
    case: list[Block], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLCONFIGDIR", mpl.get_cachedir())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    namespace: dict[str, Any] = {}
    printed: list[str] = []
    files: list[str] = []
    for block in case:
        name = write(block, tmp_path)
        if name:
            files.append(name)
            continue
        if block.language == "python":
            printed = printed_by(block, namespace)
        if block.language == "text":
            compare(block.text.splitlines(), printed)
        for command, shown in block.commands:
            repeated = TIMES[command] > 1 and not any(name in command for name in files)
            compare(shown, output_anywhere(command) if repeated else output(command, tmp_path))


def test_the_first_run_is_the_one_that_the_readme_shows(tmp_path: Path) -> None:
    """Its screen, its picture, and that the report can be drawn again from what it leaves."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (shown,) = (body for _, body in FENCE.findall(text) if body.startswith("$ make run\n"))
    lines = shown.splitlines()[1:]
    assert lines.pop() == "report: out/report.html"
    assert output("breakeven run quickstart --out out", tmp_path) == lines
    drawn = tmp_path / "out" / "plots" / "cost.svg"
    assert (DOCS / "quickstart.svg").read_bytes() == drawn.read_bytes()
    output("breakeven report out --out again", tmp_path)
    report = "report.html"
    assert (tmp_path / "again" / report).read_text() == (tmp_path / "out" / report).read_text()


@pytest.mark.parametrize("page", [*WRITTEN, *sorted(ROOT.glob("*.md"))], ids=lambda p: p.name)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        name, _, anchor = target.partition("#")
        if "://" in target:
            continue
        file = page.parent / name if name else page
        assert file.exists(), f"{page.name}: no {target}"
        if anchor:
            assert anchor in anchors(file), f"{page.name}: no {target}"


def anchors(page: Path) -> set[str]:
    """What may be linked to within a page: its headings, as GitHub names them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in headings}


# Commands and their options.

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
    pages = [*WRITTEN, ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
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
