"""Files that go out: each is there as a whole or not at all, and nothing else is touched.

What is written stands beside its target under a name of its own until it is complete. Where a disk
is full or a folder cannot be written to, what was there before stays, and no half file is left.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from simulator.errors import SimulatorError
from simulator.files.text import reason

Writer = Callable[[Path], object]
"""Writes a file at a path."""

_unfinished: set[Path] = set()


class WriteError(SimulatorError):
    """A file or a folder that cannot be written."""


def write_files(folder: Path, files: Mapping[str, str | Writer]) -> None:
    """Write files by name into a folder, which is made where it is missing: all or none of them.

    Parameters
    ----------
    folder : Path
        Where to.
    files : mapping
        Texts, or functions that write a file at the path that they are given.

    Raises
    ------
    WriteError
        When one cannot be written; all that was there before is as it was.
    """
    targets = {folder / name: what for name, what in files.items()}
    made: list[Path] = []
    parts: dict[Path, Path] = {}
    target = folder
    try:
        for target, what in targets.items():
            made += _make_folder(target.parent)
            parts[target] = part = _begin(target)
            if isinstance(what, str):
                part.write_text(what, encoding="utf-8", errors="backslashreplace", newline="")
            else:
                what(part)
            if target.is_dir():
                raise IsADirectoryError(None, "a folder is in its place")
        for target, part in parts.items():
            part.replace(target)
        made = []
    except OSError as error:
        raise WriteError(f"{target}: cannot be written: {reason(error)}") from None
    finally:
        _forget(parts.values())
        for each in reversed(made):
            with suppress(OSError):
                each.rmdir()


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """Give a path to write at; what is there in the end takes the place of a file, or nothing does.

    Raises
    ------
    WriteError
        When it cannot be written.
    """
    part = None
    try:
        _make_folder(target.parent)
        part = _begin(target)
        yield part
        part.replace(target)
    except OSError as error:
        raise WriteError(f"{target}: cannot be written: {reason(error)}") from None
    finally:
        if part is not None:
            _forget([part])


@contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """Make a folder for as long as the block; where it fails, what was not there is gone again.

    Raises
    ------
    WriteError
        When it cannot be made.
    """
    try:
        made = _make_folder(folder)
    except OSError as error:
        raise WriteError(f"{folder}: cannot be written: {reason(error)}") from None
    try:
        yield
    except BaseException:
        for each in reversed(made):
            with suppress(OSError):
                each.rmdir()
        raise


def abandon() -> None:
    """Remove all that is not complete: the process ends before it can be."""
    _forget(_unfinished)


def _begin(target: Path) -> Path:
    # Processes of one number on several machines may write the same file of a shared folder.
    part = target.with_name(f".{target.name}.{token_hex(4)}.partial")
    _unfinished.add(part)
    return part


def _forget(parts: Iterable[Path]) -> None:
    for part in list(parts):
        with suppress(OSError):
            part.unlink(missing_ok=True)
        _unfinished.discard(part)


def _make_folder(folder: Path) -> list[Path]:
    """Make a folder and those above it; returns those that were not there, outermost first."""
    missing = []
    for each in (folder, *folder.parents):
        if each.exists():
            if not each.is_dir():
                raise NotADirectoryError(None, "a file is in the place of its folder")
            break
        missing.append(each)
    folder.mkdir(parents=True, exist_ok=True)
    return missing[::-1]
