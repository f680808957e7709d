"""Files and addresses that logs are read from."""

import gzip
import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, cast
from urllib.parse import urlsplit

from simulator.errors import InputError

MAX_LINE_CHARS = 64_000_000
"""A longer line is no record of a request log; reading on would only fill the memory."""

_BLOCK_CHARS = 1 << 18

Source = Path | str
"""A file, or the address of a database (``scheme://...``)."""


def label(source: Source) -> str:
    """Return what messages call a source: a path, or an address without its password."""
    if isinstance(source, Path):
        return str(source)
    parts = urlsplit(source)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"


def fail(path: Source, line: int, column: int, message: str) -> NoReturn:
    """Raise InputError at a place in a file."""
    raise InputError(f"{label(path)}:{line}:{column}: {message}")


@contextmanager
def open_text(path: Path) -> Iterator[io.TextIOWrapper]:
    """Open a text file, plain or compressed (``.gz``, ``.zst``)."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with ExitStack() as stack:
            binary: BinaryIO = stack.enter_context(path.open("rb"))
            if path.suffix == ".gz":
                binary = cast(BinaryIO, stack.enter_context(gzip.open(binary)))
            elif path.suffix == ".zst":
                binary = stack.enter_context(_zstd(path, binary))
            yield stack.enter_context(io.TextIOWrapper(binary, encoding="utf-8-sig", newline=""))
    except (EOFError, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as text: {error}") from error


def _zstd(path: Path, binary: BinaryIO) -> Any:
    try:
        from zstandard import ZstdDecompressor, ZstdError
    except ImportError:
        raise InputError(f"{path}: zstd files need zstandard: breakeven[traces]") from None

    class Reader(io.RawIOBase):
        """Turns the library's own error into OSError, as gzip does."""

        def __init__(self) -> None:
            self._stream = ZstdDecompressor(max_window_size=2**31).stream_reader(binary)

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            try:
                return int(self._stream.readinto(buffer))
            except ZstdError as error:
                raise OSError(str(error)) from error

    return io.BufferedReader(Reader())


def lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file, none of them endless."""
    # Python runs once for a block; the lines inside of it are cut by StringIO.
    return chain.from_iterable(_blocks(path))


def _blocks(path: Path) -> Iterator[io.StringIO]:
    """Yield whole lines, a block at a time."""
    number, rest = 1, ""
    with open_text(path) as text:
        while block := text.read(_BLOCK_CHARS):
            block = rest + block
            cut = block.rfind("\n") + 1
            rest = block[cut:]
            if cut:
                yield io.StringIO(block[:cut], newline="\n")
                number += block.count("\n")
            if len(rest) > MAX_LINE_CHARS:
                fail(path, number, 1, f"line longer than {MAX_LINE_CHARS} characters")
    if rest:
        yield io.StringIO(rest, newline="\n")
