"""Text that comes in: files, plain or compressed, and addresses that logs are read from."""

import gzip
import io
import stat
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, cast
from urllib.parse import urlsplit

from simulator.errors import InputError, printable

MAX_LINE_CHARS = 64_000_000
"""A longer line is no record of a request log; reading on would only fill the memory."""
MAX_WHOLE_CHARS = 256_000_000
"""Of a file that is read as a whole: more than any benchmark, price feed or scenario has."""

_BLOCK_CHARS = 1 << 18

Source = Path | str
"""A file, or the address of a database (``scheme://...``)."""


def label(source: Source) -> str:
    """Return what messages call a source: a path, or an address without its password."""
    if isinstance(source, Path):
        return str(source)
    try:
        parts = urlsplit(source)
        return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
    except ValueError:  # brackets that do not close, for instance
        return f"{source.split('://')[0]}://..."


def fail(path: Source, line: int, column: int, message: str) -> NoReturn:
    """Raise InputError at a place in a file."""
    raise InputError(f"{label(path)}:{line}:{column}: {message}")


def checked_file(path: Path) -> Path:
    """Return a path at which there is a file.

    Raises
    ------
    InputError
        When there is none, or something that cannot be read twice, as files are.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: no such file: {reason(error)}") from None
    if stat.S_ISDIR(mode):
        raise InputError(f"{path}: is a folder, not a file")
    if stat.S_ISFIFO(mode):
        raise InputError(f"{path}: is a pipe; write what it says into a file, and name that")
    if not stat.S_ISREG(mode):
        raise InputError(f"{path}: is a device, not a file")
    return path


def reason(error: Exception) -> str:
    """Return why something failed, on one line and without the path, which messages lead with."""
    told = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return printable(told) or type(error).__name__


def read_text(path: Path) -> str:
    """Return the text of a file, plain or compressed; its line breaks are as they stand.

    Raises
    ------
    InputError
        When there is no such file, or it is no UTF-8 text, with the line and column of what is not.
    """
    with open_text(path) as file:
        text = file.read(MAX_WHOLE_CHARS + 1)
    if len(text) > MAX_WHOLE_CHARS:
        fail(path, 1, 1, f"longer than {MAX_WHOLE_CHARS:,} characters")
    return text


@contextmanager
def open_text(path: Path) -> Iterator[io.TextIOWrapper]:
    """Open a text file, plain or compressed (``.gz``, ``.zst``)."""
    checked_file(path)
    try:
        with ExitStack() as stack:
            binary: BinaryIO = stack.enter_context(path.open("rb"))
            if path.suffix == ".gz":
                binary = cast(BinaryIO, stack.enter_context(gzip.open(binary)))
            elif path.suffix == ".zst":
                binary = stack.enter_context(_zstd(path, binary))
            yield stack.enter_context(io.TextIOWrapper(binary, encoding="utf-8-sig", newline=""))
    except UnicodeDecodeError as error:
        line, column = _undecodable(path)
        byte = error.object[error.start]
        fail(path, line, column, f"not UTF-8 text: byte 0x{byte:02x}; save the file as UTF-8")
    except (EOFError, OSError, zlib.error) as error:
        raise InputError(f"{path}: not readable as text: {reason(error)}") from error


def _undecodable(path: Path) -> tuple[int, int]:
    """Line and column of the first byte that is not UTF-8; of a compressed file, its beginning."""
    if path.suffix in (".gz", ".zst"):
        return 1, 1
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE_CHARS), b""), start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return number, len(line[: error.start].decode("utf-8")) + 1
    return 1, 1


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
