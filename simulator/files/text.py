"""Reading of text files, plain or compressed, and labels of files and addresses in messages."""

import codecs
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
from simulator.files.optional import missing_package

MAX_LINE_CHARS = 64_000_000
"""Longest line. A longer one is no record of a request log, and would only fill the memory."""
MAX_WHOLE_CHARS = 256_000_000
"""Longest file that is read as a whole: more than any benchmark, price feed or scenario has."""

_BLOCK_CHARS = 1 << 18

Source = Path | str
"""A file, or the address of a database (``scheme://...``)."""


def label(source: Source) -> str:
    """Return the name of a source in messages: a path, or an address without its password."""
    if isinstance(source, Path):
        return str(source)
    try:
        parts = urlsplit(source)
        return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
    except ValueError:  # for instance unclosed brackets
        return f"{source.split('://')[0]}://..."


def fail(path: Source, line: int, column: int, message: str) -> NoReturn:
    """Raise InputError for a location in a file."""
    raise InputError(f"{label(path)}:{line}:{column}: {message}")


def checked_file(path: Path) -> Path:
    """Return the path after checking that it is a regular file.

    Raises
    ------
    InputError
        If there is no such file, or if it is not regular and might not be readable twice.
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
        raise InputError(f"{path}: is a pipe; write its content to a file and give that")
    if not stat.S_ISREG(mode):
        raise InputError(f"{path}: is a device, not a file")
    return path


def reason(error: Exception) -> str:
    """Return the reason of an error on one line, without the path, with which messages begin."""
    message = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return printable(message) or type(error).__name__


def read_text(path: Path) -> str:
    """Return the text of a file, plain or compressed, with unchanged line breaks.

    Raises
    ------
    InputError
        If there is no such file, or it is not UTF-8 text; the message has the line and column of
        the first invalid byte.
    """
    with open_text(path) as file:
        text = file.read(MAX_WHOLE_CHARS + 1)
    if len(text) > MAX_WHOLE_CHARS:
        fail(path, 1, 1, f"longer than {MAX_WHOLE_CHARS:,} characters")
    return text


def read_bytes(path: Path, most: int = MAX_WHOLE_CHARS) -> bytes:
    """Return the first bytes of a file, plain or compressed.

    Raises
    ------
    InputError
        If there is no such file, or it is not readable.
    """
    checked_file(path)
    try:
        with ExitStack() as stack:
            return _open_binary(path, stack).read(most)
    except (EOFError, OSError, zlib.error) as error:
        raise InputError(f"{path}: not readable: {reason(error)}") from error


def _open_binary(path: Path, stack: ExitStack) -> io.BufferedReader:
    """Open a file, plain or compressed, until the stack is closed."""
    binary = stack.enter_context(path.open("rb"))
    if path.suffix == ".gz":
        return stack.enter_context(io.BufferedReader(cast(io.RawIOBase, gzip.open(binary))))
    if path.suffix == ".zst":
        return stack.enter_context(_zstd(path, binary))
    return binary


@contextmanager
def open_text(path: Path) -> Iterator[io.TextIOWrapper]:
    """Open a text file, plain or compressed (``.gz``, ``.zst``).

    It is UTF-8, or UTF-16 with a mark at its beginning, as spreadsheets save "Unicode text".
    """
    checked_file(path)
    try:
        with ExitStack() as stack:
            binary = _open_binary(path, stack)
            encoding = _encoding_of(binary)
            yield stack.enter_context(io.TextIOWrapper(binary, encoding=encoding, newline=""))
    except UnicodeDecodeError as error:
        if error.encoding.startswith("utf-16"):
            fail(path, 1, 1, f"not UTF-16 text, as which it begins: {error.reason}")
        line, column = _undecodable(path)
        byte = error.object[error.start]
        fail(path, line, column, f"not UTF-8 text: byte 0x{byte:02x}; save the file as UTF-8")
    except (EOFError, OSError, zlib.error) as error:
        raise InputError(f"{path}: not readable as text: {reason(error)}") from error


def _encoding_of(binary: io.BufferedReader) -> str:
    is_utf16 = binary.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    return "utf-16" if is_utf16 else "utf-8-sig"


def _undecodable(path: Path) -> tuple[int, int]:
    """Return line and column of the first byte that is not UTF-8, (1, 1) in a compressed file."""
    if path.suffix in (".gz", ".zst"):
        return 1, 1
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE_CHARS), b""), start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return number, len(line[: error.start].decode("utf-8")) + 1
    return 1, 1


def _zstd(path: Path, binary: BinaryIO) -> io.BufferedReader:
    try:
        from zstandard import ZstdDecompressor, ZstdError
    except ImportError:
        raise missing_package("zstandard", f"{path}: a zstd file") from None

    class Reader(io.RawIOBase):
        """Stream that raises the library's errors as OSError, as gzip does."""

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
    """Yield the lines of a text file; raise InputError for one that is too long."""
    # Python code runs once for each block, and StringIO splits the block into lines.
    return chain.from_iterable(_blocks(path))


def _blocks(path: Path) -> Iterator[io.StringIO]:
    """Yield blocks of whole lines."""
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
