"""List the installed versions that differ from those pinned in ``constraints.txt``.

Run ``python tools/newest.py`` with the environment's own Python. ``make newest`` does so in an
environment that was created without constraints.
"""

import re
import sys
from importlib.metadata import distributions
from pathlib import Path

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
OWN = {"breakeven", "pip", "setuptools"}
"""Packages that every environment has and that are never pinned."""


def plain(name: str) -> str:
    """Return a package name in normalised form, as package indexes compare names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(text: str) -> dict[str, str]:
    """Return the versions by name of lines ``name==version``; comments are ignored."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    pairs = (line.split("==") for line in lines if line)
    return {plain(name): version for name, version in pairs}


def differences(before: dict[str, str], after: dict[str, str]) -> list[tuple[str, str, str]]:
    """Return name, pinned and installed version of each package that differs; ``-`` means none."""
    return [
        (name, before.get(name, "-"), after.get(name, "-"))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def main() -> None:
    """Print a table of the differences."""
    installed = {plain(package.name): package.version for package in distributions()}
    relevant = {name: version for name, version in installed.items() if name not in OWN}
    different = differences(pinned(CONSTRAINTS.read_text(encoding="utf-8")), relevant)
    for row in [("package", "pinned", "installed"), *different] if different else []:
        sys.stdout.write("{:32}{:20}{}\n".format(*row))
    sys.stdout.write(f"{len(different)} of {len(relevant)} packages differ from constraints.txt\n")


if __name__ == "__main__":
    main()
