"""Which versions an environment has otherwise than ``constraints.txt`` pins them.

``python tools/newest.py`` is run by the environment's own Python; ``make newest`` does, in one that
was made without constraints.
"""

import re
import sys
from importlib.metadata import distributions
from pathlib import Path

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
OWN = {"breakeven", "pip", "setuptools"}
"""What is there whatever is pinned."""


def plain(name: str) -> str:
    """Return a name as package indexes compare names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(text: str) -> dict[str, str]:
    """Return versions by name of lines ``name==version``; comments are left out."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    pairs = (line.split("==") for line in lines if line)
    return {plain(name): version for name, version in pairs}


def differences(before: dict[str, str], after: dict[str, str]) -> list[tuple[str, str, str]]:
    """Return name, pinned and installed version of whatever is not the same; ``-`` is none."""
    return [
        (name, before.get(name, "-"), after.get(name, "-"))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def main() -> None:
    """Print a table of what differs."""
    installed = {plain(found.name): found.version for found in distributions()}
    there = {name: version for name, version in installed.items() if name not in OWN}
    found = differences(pinned(CONSTRAINTS.read_text(encoding="utf-8")), there)
    for row in [("package", "pinned", "installed"), *found] if found else []:
        sys.stdout.write("{:32}{:20}{}\n".format(*row))
    sys.stdout.write(f"{len(found)} of {len(there)} packages differ from constraints.txt\n")


if __name__ == "__main__":
    main()
