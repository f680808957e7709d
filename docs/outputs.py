"""Run the blocks of a page, and fill in what they print."""

import os
import shlex
from collections import Counter
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import matplotlib as mpl
from blocks import FENCE, Block, blocks, console
from shown_lines import PageError, renewed
from typer.testing import CliRunner

from simulator.cli.app import app

ROOT = Path(__file__).parents[1]
MAKE_RUN = "make run"
STANDS_FOR = "breakeven run quickstart --out out"
"""The command that ``make run`` runs, which then prints where the report is."""
WRITTEN = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
"""All pages, and the hand-written beginnings of generated ones."""
BEGINNING = "_intro.md"
"""End of the name of such a beginning."""


def page_blocks() -> dict[str, list[Block]]:
    """Return the blocks of each page at which something happens, by its path in the project.

    Pages that are generated are left out, since their blocks are those of their beginnings.
    """
    found = {
        path.relative_to(ROOT).as_posix(): blocks(path.read_text(encoding="utf-8"))
        for path in WRITTEN
    }
    generated = {name.replace(BEGINNING, ".md") for name in found if name.endswith(BEGINNING)}
    return {name: page for name, page in found.items() if page and name not in generated}


PAGES = page_blocks()
TIMES = Counter(
    command for page in PAGES.values() for block in page for command, _ in block.commands
)
"""How often pages show a command."""


class Run:
    """A run of blocks in a folder, in the order of their page."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._namespace: dict[str, Any] = {}
        self._printed: list[str] = []
        self._files: list[str] = []

    def filled(self, block: Block) -> Block:
        """Run a block, and return it with what is printed now.

        Raises
        ------
        PageError
            If a command fails, or prints nothing like the lines that the block shows.
        """
        if block.file is not None:
            name, contents = block.file
            (self.folder / name).write_text(contents, encoding="utf-8")
            self._files.append(name)
        elif block.language == "python":
            self._printed = _printed_by(block, self._namespace, self.folder)
        elif block.language == "text":
            lines = renewed(block.text.splitlines(), self._printed)
            return Block("text", "".join(f"{line}\n" for line in lines))
        elif block.commands:
            return Block("console", console([self._shown(*each) for each in block.commands]))
        return block

    def _shown(self, command: str, shown: list[str]) -> tuple[str, list[str]]:
        names_file = any(name in command for name in self._files)
        is_repeated = TIMES[command] > 1 and not names_file
        printed = output_anywhere(command) if is_repeated else output(command, self.folder)
        try:
            return command, renewed(shown, printed)
        except PageError as error:
            raise PageError(f"{command}: {error}") from None


def filled_page(text: str, folder: Path) -> str:
    """Return a page with what its blocks print now; everything else stays."""
    run = Run(folder)
    parts, end = [], 0
    for match in FENCE.finditer(text):
        block = Block(*match.groups())
        if block.is_run:
            parts += [text[end : match.start(2)], run.filled(block).text]
            end = match.end(2)
    return "".join([*parts, text[end:]])


def output(command: str, folder: Path) -> list[str]:
    """Return the lines that a command prints.

    It runs in this process, as on a machine of one core: what it prints does not depend on that,
    and starting processes would take longer than most answers.
    """
    if command == MAKE_RUN:
        return [*output(STANDS_FOR, folder), "report: out/report.html"]
    with _set_up(folder):
        result = CliRunner().invoke(app, shlex.split(command)[1:])
    if result.exit_code != 0:
        raise PageError(f"{command}: {result.exception!r}\n{result.output}")
    return [line.rstrip() for line in result.stdout.rstrip().splitlines()]


@cache
def output_anywhere(command: str) -> list[str]:
    """Return the same of a command that depends on no file."""
    with TemporaryDirectory() as folder:
        return output(command, Path(folder))


def _printed_by(block: Block, namespace: dict[str, Any], folder: Path) -> list[str]:
    """Run a block of Python, and return the lines that it prints."""
    printed = StringIO()
    with _set_up(folder), redirect_stdout(printed):
        exec(compile(block.text, "<page>", "exec"), namespace)
    return [line.rstrip() for line in printed.getvalue().splitlines()]


@contextmanager
def _set_up(folder: Path) -> Iterator[None]:
    """Run in a folder, with no other caches and settings than a new user's."""
    settings = {
        "NO_COLOR": "1", "COLUMNS": "80", "XDG_CACHE_HOME": str(folder / "cache"),
        "MPLCONFIGDIR": mpl.get_cachedir(),
    }  # fmt: skip
    with chdir(folder), patch.dict(os.environ, settings), patch("os.cpu_count", lambda: 1):
        yield
