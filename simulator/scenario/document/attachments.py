"""Files that a scenario names, and their copies on machines that do not have them."""

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
class AttachedFile:
    """A file with its content."""

    path: Path
    """Path under which the scenario looks for the file."""
    digest: str
    """SHA-256 of the content, in hexadecimal."""
    content: bytes


def named_files(values: Any, document: Document) -> Iterator[tuple[str, Path]]:
    """Yield every text in a scenario that names a file, and the file.

    Parameters
    ----------
    values : Any
        The scenario as plain values.
    document : Document
        The document, which knows the folder that each value's file names refer to.
    """
    for at, name in _texts(values, ()):
        if len(name) < _LONGEST_PATH:
            # Logs are also looked for in the current folder.
            is_log = at[:1] == ("traffic",) and at[-1:] == ("path",)
            for path in (document.folder(at) / name, *([Path(name)] if is_log else ())):
                if os.path.isfile(path):  # accepts any text, unlike Path.is_file
                    yield name, path
                    break


def _texts(value: Any, path: Path_) -> Iterator[tuple[Path_, str]]:
    """Yield all texts within plain values, with their paths."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _texts(part, (*path, key))


def read_attached_files(values: Any, document: Document) -> tuple[AttachedFile, ...]:
    """Read all files that a scenario names; see ``named_files`` for the parameters."""
    paths = {path for _, path in named_files(values, document)}
    contents = ((path, path.read_bytes()) for path in sorted(paths))
    return tuple(
        AttachedFile(p, hashlib.sha256(content).hexdigest(), content) for p, content in contents
    )


def write_copies(files: Sequence[AttachedFile]) -> Mapping[Path, Path]:
    """Write files to a temporary folder of this process, and return the copy of each path.

    Copies keep the names of the file and of its folder, because results may be named after them.
    """
    copies = {}
    for file in files:
        copy = _folder() / file.digest / file.path.absolute().parent.name / file.path.name
        if not copy.is_file():
            write_files(copy.parent, {copy.name: partial(Path.write_bytes, data=file.content)})
        copies[file.path] = copy
    return copies


def _folder() -> Path:
    return Path(_temporary().name)


@cache
def _temporary() -> TemporaryDirectory[str]:
    """Create a folder that is removed when the process ends."""
    return TemporaryDirectory(prefix="breakeven-")
