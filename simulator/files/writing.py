"""Writing of files: each is complete or absent, and no other file is touched.

A file is written next to its target under a temporary name until it is complete. If a disk is full
or a folder is not writable, the old files remain and no partial file is left.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from simulator.errors import SimulatorError
from simulator.files.text import reason

Writer = Callable[[Path], object]
"""A function that writes a file at a path."""

_unfinished: set[Path] = set()


class WriteError(SimulatorError):
    """A file or a folder that cannot be written."""


def write_files(folder: Path, files: Mapping[str, str | Writer]) -> None:
    """Write all files into a folder, or none of them; a missing folder is created.

    Parameters
    ----------
    folder : Path
        Folder of the files.
    files : mapping
        Texts by name, or functions that write a file at a given path.

    Raises
    ------
    WriteError
        If one cannot be written; all existing files are then unchanged.
    """
    targets = {folder / name: content for name, content in files.items()}
    made: list[Path] = []
    parts: dict[Path, Path] = {}
    target = folder
    try:
        for target, content in targets.items():
            made += _make_folder(target.parent)
            parts[target] = part = _start_part(target)
            if isinstance(content, str):
                part.write_text(content, encoding="utf-8", errors="backslashreplace", newline="")
            else:
                content(part)
            if target.is_dir():
                raise IsADirectoryError(None, "there is a folder of this name")
        for target, part in parts.items():
            part.replace(target)
        made = []
    except OSError as error:
        raise WriteError(f"{target}: cannot be written: {reason(error)}") from None
    finally:
        _remove_parts(parts.values())
        for created in reversed(made):
            with suppress(OSError):
                created.rmdir()


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """Yield a temporary path to write at, which replaces the target if the block succeeds.

    Raises
    ------
    WriteError
        If it cannot be written.
    """
    part = None
    try:
        _make_folder(target.parent)
        part = _start_part(target)
        yield part
        part.replace(target)
    except OSError as error:
        raise WriteError(f"{target}: cannot be written: {reason(error)}") from None
    finally:
        if part is not None:
            _remove_parts([part])


@contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """Create a folder for a block; if the block fails, the folders that were created are removed.

    Raises
    ------
    WriteError
        If it cannot be created.
    """
    try:
        made = _make_folder(folder)
    except OSError as error:
        raise WriteError(f"{folder}: cannot be written: {reason(error)}") from None
    try:
        yield
    except BaseException:
        for created in reversed(made):
            with suppress(OSError):
                created.rmdir()
        raise


def abandon() -> None:
    """Remove all incomplete files, because the process is about to end."""
    _remove_parts(_unfinished)


def _start_part(target: Path) -> Path:
    # A process id would not be unique: several machines may write to a shared folder.
    part = target.with_name(f".{target.name}.{token_hex(4)}.partial")
    _unfinished.add(part)
    return part


def _remove_parts(parts: Iterable[Path]) -> None:
    for part in list(parts):
        with suppress(OSError):
            part.unlink(missing_ok=True)
        _unfinished.discard(part)


def _make_folder(folder: Path) -> list[Path]:
    """Create a folder and its parents, and return the ones that were missing, outermost first."""
    missing = []
    for parent in (folder, *folder.parents):
        if parent.exists():
            if not parent.is_dir():
                raise NotADirectoryError(None, "its folder is a file")
            break
        missing.append(parent)
    folder.mkdir(parents=True, exist_ok=True)
    return missing[::-1]
