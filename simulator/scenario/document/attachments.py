"""Files that a scenario names: which they are, and how they get to where the scenario is not."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from simulator.files.writing import write_files
from simulator.scenario.document.document import Document, Path_

_LONGEST_PATH = 1000


@dataclass(frozen=True, slots=True)
class Carried:
    """A file with all that is in it."""

    path: Path
    """Under which the scenario looks for it."""
    digest: str
    content: bytes


def named_files(said: Any, document: Document) -> Iterator[tuple[str, Path]]:
    """Yield every text in a scenario that names a file, and the file.

    Parameters
    ----------
    said : Any
        The scenario as plain values.
    document : Document
        Knows beside which file each value stands.
    """
    for at, name in _texts(said, ()):
        if len(name) < _LONGEST_PATH:
            # Logs are looked for below the current folder as well.
            is_log = at[:1] == ("traffic",) and at[-1:] == ("path",)
            for path in (document.folder(at) / name, *([Path(name)] if is_log else ())):
                if os.path.isfile(path):  # unlike Path.is_file, of any name
                    yield name, path
                    break


def _texts(value: Any, path: Path_) -> Iterator[tuple[Path_, str]]:
    """All texts within plain values, and where they are."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _texts(part, (*path, key))


def carried(said: Any, document: Document) -> tuple[Carried, ...]:
    """Read all files that a scenario names; see ``named_files``."""
    paths = {path for _, path in named_files(said, document)}
    contents = ((path, path.read_bytes()) for path in sorted(paths))
    return tuple(
        Carried(p, hashlib.sha256(content).hexdigest(), content) for p, content in contents
    )


def copies_of(files: Sequence[Carried]) -> Mapping[Path, Path]:
    """Write files to a folder of this process, and return where each is.

    What is made of a file may be called by the file's name and its folder's, which stay.
    """
    found = {}
    for file in files:
        copy = _folder() / file.digest / file.path.absolute().parent.name / file.path.name
        if not copy.is_file():
            write_files(copy.parent, {copy.name: partial(Path.write_bytes, data=file.content)})
        found[file.path] = copy
    return found


def _folder() -> Path:
    return Path(_temporary().name)


@cache
def _temporary() -> TemporaryDirectory[str]:
    """A folder that is removed when the process ends."""
    return TemporaryDirectory(prefix="breakeven-")
