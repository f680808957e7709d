"""The README's questions: every command is run, and says what the README shows of it."""

import shlex
from pathlib import Path

import pytest
from test_cli import breakeven

README = (Path(__file__).parent.parent / "README.md").read_text()
SECTION = README.partition("## Fifteen questions")[2].partition("\n## ")[0]
BLOCKS = [part.partition("```")[0] for part in SECTION.split("```console\n")[1:]]


def test_there_are_fifteen() -> None:
    assert len(BLOCKS) == 15
    assert all(block.startswith("$ breakeven ") for block in BLOCKS)


@pytest.mark.parametrize("block", BLOCKS, ids=range(1, len(BLOCKS) + 1))
def test_the_answer_is_the_one_shown(block: str, tmp_path: Path) -> None:
    command, *shown = block.strip().splitlines()
    arguments = shlex.split(command.removeprefix("$ breakeven "))
    result = breakeven(*arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    place = 0
    for line in (line for line in shown if line != "..."):
        assert line in lines[place:], f"{line}\n not in \n{result.stdout}"
        place = lines.index(line, place) + 1
