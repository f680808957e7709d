"""Write the files that are generated from the code; with ``--check``, report those out of date.

Run ``make generated``, or ``python tools/generated.py`` with the Python of the environment.
"""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMMAND = "from simulator.cli.main import main; main()"
FILES = {
    "scenarios/scenario.schema.json": ("-c", COMMAND, "schema"),
    "docs/scenario.md": ("docs/scenario_page.py",),
    "docs/commands.md": ("docs/commands_page.py",),
}
"""Arguments of Python with which each file is printed."""


def outdated(root: Path, files: Mapping[str, Sequence[str]]) -> dict[str, bytes]:
    """Return the current contents of all files that have other contents or are missing, by name."""
    printed = {
        name: subprocess.run(
            [sys.executable, *arguments], cwd=root, stdout=subprocess.PIPE, check=True
        ).stdout
        for name, arguments in files.items()
    }
    return {
        name: contents
        for name, contents in printed.items()
        if not (root / name).is_file() or (root / name).read_bytes() != contents
    }


def main(arguments: Sequence[str]) -> int:
    """Write the files, or check them; return the exit code."""
    found = outdated(ROOT, FILES)
    if list(arguments) == ["--check"]:
        for name in found:
            sys.stderr.write(f"{name} is out of date: run make generated\n")
        return 1 if found else 0
    for name, contents in found.items():
        (ROOT / name).write_bytes(contents)
        sys.stdout.write(f"wrote {name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
