"""Blocks of pages at which something happens, and the lines that they show of what is printed.

A block is a fence and its first line. ``console`` blocks that begin with ``$ breakeven`` or with
``$ make run`` hold commands, each with lines of its output; ``...`` marks lines that are left
out, and a command without lines shows nothing. A block whose first line is ``# file: NAME`` is a
file for the page's later commands, without that line where the format knows no comments.
``python`` blocks are run, in one namespace for each page; a ``text`` block after one shows lines
that it prints.
"""

import re
from typing import NamedTuple

PROMPT = "$ "
COMMANDS = (f"{PROMPT}breakeven ", f"{PROMPT}make run\n")
FILE = re.compile(r"# file: (\S+)\n")
COMMENTED = ("yaml", "python")
"""Languages in which the line that names a file may stay."""
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fence: its language, and the text between its first and its last line."""

    language: str
    text: str

    @property
    def is_run(self) -> bool:
        """Whether something happens at the block."""
        if self.language == "console":
            return self.text.startswith(COMMANDS)
        return self.language in ("python", "text") or self.file is not None

    @property
    def file(self) -> tuple[str, str] | None:
        """Name and contents of the file that the block is; None where it is none."""
        named = FILE.match(self.text)
        if named is None:
            return None
        return named[1], self.text if self.language in COMMENTED else self.text[named.end() :]

    @property
    def commands(self) -> list[tuple[str, list[str]]]:
        """Commands, each with the lines shown below it."""
        if self.language != "console":
            return []
        return [
            (command, shown)
            for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]
            for command, *shown in [part.rstrip("\n").split("\n")]
        ]


def blocks(text: str) -> list[Block]:
    """Return the blocks of a page at which something happens."""
    found = [Block(*each) for each in FENCE.findall(text)]
    return [block for block in found if block.is_run]


def console(commands: list[tuple[str, list[str]]]) -> str:
    """Return the text of a ``console`` block."""
    lines = [line for command, shown in commands for line in (f"{PROMPT}{command}", *shown)]
    return "".join(f"{line}\n" for line in lines)
