"""The pages of ``docs/``: every command is run, and says what its page shows of it.

A block is a fence and its first line. ``console`` blocks that begin with ``$ breakeven`` hold
commands, each with lines that its output must have, in this order; ``...`` is what was left out.
A block whose first line is ``# file: NAME`` is written to the folder in which the page's later
commands run, without that line where the format knows no comments. Other ``python`` blocks are
run.
"""

import re
import shlex
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from test_cli import breakeven

DOCS = Path(__file__).parent.parent / "docs"
PROMPT = "$ "
COMMAND = f"{PROMPT}breakeven "
FILE = re.compile(r"# file: (\S+)\n")
COMMENTED = ("yaml", "python")
"""Languages in which the line that names a file may stay."""
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    language: str
    text: str

    @property
    def is_run(self) -> bool:
        """Whether something happens at the block."""
        if self.language == "console":
            return self.text.startswith(COMMAND)
        return self.language == "python" or FILE.match(self.text) is not None

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


def blocks(page: str) -> list[Block]:
    """Blocks of a page at which something happens."""
    found = FENCE.findall((DOCS / page).read_text(encoding="utf-8"))
    return [block for block in (Block(*each) for each in found) if block.is_run]


QUESTIONS = blocks("questions.md")
PAGES = {
    path.name: found
    for path in sorted(DOCS.glob("*.md"))
    if path.name != "questions.md" and (found := blocks(path.name))
}
CASES = {f"question-{n}": [block] for n, block in enumerate(QUESTIONS, start=1)} | PAGES
TIMES = Counter(command for case in CASES.values() for b in case for command, _ in b.commands)


def is_repeated(case: list[Block]) -> bool:
    """Whether another case runs one of the commands too."""
    return any(TIMES[command] > 1 for block in case for command, _ in block.commands)


def grouped(name: str, case: list[Block]) -> pytest.ParameterSet:
    """One test; those that share a command run in one process, where it is run once."""
    marks = [pytest.mark.xdist_group("docs")] if is_repeated(case) else []
    return pytest.param(case, id=name, marks=marks)


def output(command: str, folder: Path) -> list[str]:
    """Lines that a command prints."""
    assert command.startswith("breakeven "), f"only breakeven is run, not {command}"
    result = breakeven(*shlex.split(command)[1:], cwd=folder)
    assert result.returncode == 0, f"{command}\n{result.stderr}"
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


def write(block: Block, folder: Path) -> bool:
    """Write a block that is a file; False where it is none."""
    named = FILE.match(block.text)
    if named is None:
        return False
    text = block.text if block.language in COMMENTED else block.text[named.end() :]
    (folder / named[1]).write_text(text, encoding="utf-8")
    return True


def test_there_are_fifteen_questions() -> None:
    assert len(QUESTIONS) == 15
    assert all(len(block.commands) == 1 for block in QUESTIONS)


def test_every_page_shows_what_is_run() -> None:
    assert set(PAGES) >= {"models.md", "prices.md", "profiles.md", "why-our-number-differs.md"}


@pytest.mark.parametrize("case", [grouped(*item) for item in CASES.items()])
def test_the_answers_are_those_shown(case: list[Block], tmp_path: Path) -> None:
    for block in case:
        if write(block, tmp_path):
            continue
        if block.language == "python":
            subprocess.run([sys.executable, "-c", block.text], cwd=tmp_path, check=True)
        for command, shown in block.commands:
            repeated = TIMES[command] > 1
            compare(shown, output_anywhere(command) if repeated else output(command, tmp_path))
