"""Rewrite what pages show of outputs, and what is generated as a whole, in place.

usage: python docs/pages.py [--check] [--generated] [PAGE]...

PAGE is a path in the project, such as README.md or docs/prices.md; by default, it is all of them,
or with --generated all that are generated from the code. Commands and code of the pages are run;
everything but what they print stays as it is. With --check, nothing is written, and pages that are
out of date are an error.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from commands_page import commands_page
from outputs import PAGES, ROOT, filled_page
from scenario_page import scenario_page
from shown_lines import PageError

from simulator.files.jsontext import json_text
from simulator.files.writing import write_files
from simulator.scenario.resolve.json_schema import json_schema

GENERATED: dict[str, Callable[[], str]] = {
    "docs/scenario.md": scenario_page,
    "docs/commands.md": commands_page,
    "scenarios/scenario.schema.json": lambda: json_text(json_schema()) + "\n",
}
INTRODUCTIONS = {
    "docs/scenario.md": "docs/scenario_intro.md",
    "docs/commands.md": "docs/commands_intro.md",
}
"""Hand-written beginnings of generated pages."""
PICTURES = {"README.md": {"docs/quickstart.svg": "out/plots/cost.svg"}}
"""Pictures that the commands of a page draw, by their paths in the project."""


def main() -> int:
    """Rewrite or check the pages, and report each; return 1 if one is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--generated", action="store_true")
    parser.add_argument("pages", nargs="*", metavar="PAGE")
    given = parser.parse_args()
    pages = given.pages or [*([] if given.generated else PAGES), *GENERATED]
    unknown = set(pages) - {*PAGES, *GENERATED}
    if unknown:
        parser.error(f"no page shows outputs at {', '.join(sorted(unknown))}")
    os.environ.setdefault("NUMBA_OPT", "1")  # as the command line does
    failed = 0
    for page in pages if given.generated else _with_introductions(pages):
        try:
            with TemporaryDirectory() as folder:
                files = renewed_files(page, Path(folder))
        except PageError as error:
            print(f"{page}: {error}\nedit these lines by hand", file=sys.stderr)
            failed = 1
            continue
        changed = {name: text for name, text in files.items() if text != stored(name)}
        if given.check:
            for name in changed:
                print(f"{name} is out of date: run make pages PAGES={page}", file=sys.stderr)
            failed = failed or bool(changed)
            continue
        write_files(ROOT, changed)
        print(f"{page}: {'rewritten' if changed else 'up to date'}", flush=True)
    return int(failed)


def _with_introductions(pages: list[str]) -> list[str]:
    """Return the pages, each after its hand-written beginning."""
    found = [INTRODUCTIONS[page] for page in pages if page in INTRODUCTIONS]
    return list(dict.fromkeys([*found, *pages]))


def stored(name: str) -> str:
    """Return a file of the project as it is."""
    return (ROOT / name).read_text(encoding="utf-8")


def renewed_files(page: str, folder: Path) -> dict[str, str]:
    """Return the files of a page as they should be, by their paths in the project.

    Commands of the page run in the given folder.

    Raises
    ------
    PageError
        If one of them fails, or prints nothing like what the page shows.
    """
    if page in GENERATED:
        return {page: GENERATED[page]()}
    files = {page: filled_page(stored(page), folder)}
    for name, drawn in PICTURES.get(page, {}).items():
        files[name] = (folder / drawn).read_text(encoding="utf-8")
    return files


if __name__ == "__main__":
    sys.exit(main())
