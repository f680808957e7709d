"""What every reader shares: opening, complaining, skipping, and the way from records to batches.

A format says how its file falls into records and how a list of records becomes a batch. Records
are parsed many at a time; when that fails, they are parsed again one by one, so that the message
names the row, and so that ``--skip-bad`` leaves out that row alone.
"""

import gzip
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, NoReturn, cast
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InputError
from simulator.traffic.log import UNKNOWN, Batch, concatenate

MAX_LINE_CHARS = 64_000_000
"""A longer line is no record of a request log; reading on would only fill the memory."""

Source = Path | str
"""A file, or the address of a database (``scheme://...``)."""

MAX_TOKENS = 2**31 - 1
CHUNK_ROWS = 16_384


class BadRecord(Exception):
    """One record that cannot be used: the field to blame, where there is one, and why."""

    def __init__(self, field_name: str, message: str) -> None:
        super().__init__(message)
        self.field_name = field_name


_OTHER_SHAPE = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)
"""What parsing raises when a record is built differently from what its format says."""


class Record(NamedTuple):
    """One record and where it stands."""

    line: int
    value: Any
    source: str | tuple[list[str], list[str]] | None
    """To find a column in: the line of JSON, or the header and the fields of CSV."""


class Broken(NamedTuple):
    """A place that is no record at all."""

    line: int
    column: int
    message: str


@dataclass
class Names:
    """Sessions and workloads of one log, numbered in the order of their first appearance."""

    sessions: dict[str, int] = field(default_factory=dict)
    workloads: dict[str, int] = field(default_factory=dict)
    clocks: dict[str, int] = field(default_factory=dict)
    """Parts of a log whose times count from a beginning of their own."""

    def session(self, keys: list[str | None]) -> NDArray[np.int64]:
        """Number the sessions; None and the empty string are no session. (n_rows,)"""
        known = self.sessions
        return np.array(
            [known.setdefault(key, len(known)) if key else UNKNOWN for key in keys], np.int64
        )

    def workload(self, keys: list[str]) -> NDArray[np.int32]:
        """Number the workloads. (n_rows,)"""
        known = self.workloads
        return np.array([known.setdefault(key, len(known)) for key in keys], np.int32)


@dataclass
class Skips:
    """Rows left out because they could not be used; without ``allowed`` the first one raises."""

    allowed: bool = False
    count: int = 0
    first: str = ""

    def note(self, path: Source, line: int, column: int, message: str) -> None:
        """Count one bad row or raise InputError for it."""
        text = f"{label(path)}:{line}:{column}: {message}"
        if not self.allowed:
            raise InputError(text)
        self.count += 1
        self.first = self.first or text


@dataclass(frozen=True, slots=True)
class Format:
    """One way in which logs are written."""

    name: str
    about: str
    keys: tuple[str, ...]
    """Words that the beginning of such a file contains, all of them."""
    records: Callable[[Any], Iterator[Record | Broken]]
    """From a path, or from the address of a database."""
    parse: Callable[[list[Any], Names], Batch]
    """From the values of records to a batch, or BadRecord."""
    in_order: bool = True
    """Rows must not go back in time; formats whose exports have any order are sorted."""
    block_tok: int = 16
    """Tokens of a prefix block, where the format has blocks."""
    own_names: Mapping[str, str] = field(default_factory=dict)
    """What the format calls the columns of a batch, for messages."""


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


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield numbered lines."""
    with open_text(path) as text:
        number = 0
        while line := text.readline(MAX_LINE_CHARS):
            number += 1
            if len(line) >= MAX_LINE_CHARS:
                fail(path, number, 1, f"line longer than {MAX_LINE_CHARS} characters")
            yield number, line


def read(path: Source, fmt: Format, names: Names, skips: Skips) -> Iterator[Batch]:
    """Yield a log's rows in the order of time.

    Raises
    ------
    InputError
        At the first row that cannot be used, unless ``skips`` allows it; when there is no row.
    """
    batches = _batches(path, fmt, names, skips)
    if not fmt.in_order:
        rows = list(batches)
        if rows:
            together = concatenate(rows)
            yield together.take(np.argsort(together.at_s, kind="stable"))
        else:
            _none(path, skips)
        return
    found = False
    for batch in batches:
        found = True
        yield batch
    if not found:
        _none(path, skips)


def _none(path: Source, skips: Skips) -> NoReturn:
    fail(path, 1, 1, f"no usable records{f' ({skips.count} skipped)' if skips.count else ''}")


def _batches(path: Source, fmt: Format, names: Names, skips: Skips) -> Iterator[Batch]:
    records = fmt.records(path)
    last_s = -np.inf
    while chunk := list(islice(records, CHUNK_ROWS)):
        good: list[Record] = []
        for record in chunk:
            if isinstance(record, Broken):
                skips.note(path, *record)
            else:
                good.append(record)
        try:
            batch = fmt.parse([r.value for r in good], names)
            _check(batch)
            if fmt.in_order:
                _check_order(batch, last_s)
        except (BadRecord, *_OTHER_SHAPE):
            batch = _one_by_one(path, fmt, names, skips, good, last_s)
        if batch.size:
            last_s = float(batch.at_s[-1])
            yield batch


def _one_by_one(
    path: Source, fmt: Format, names: Names, skips: Skips, records: list[Record], last_s: float
) -> Batch:
    """Parse records alone, complain about bad ones, and return the others."""
    good = []
    for record in records:
        try:
            batch = fmt.parse([record.value], names)
            _check(batch)
            if fmt.in_order:
                _check_order(batch, last_s)
        except BadRecord as error:
            name = fmt.own_names.get(error.field_name, error.field_name)
            message = str(error).replace(error.field_name, name) if name else str(error)
            skips.note(path, record.line, _column(record, name), message)
            continue
        except _OTHER_SHAPE as error:
            what = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
            skips.note(path, record.line, 1, f"no {fmt.name} record: {what}")
            continue
        if batch.size:
            last_s = float(batch.at_s[-1])
        good.append(record.value)
    return fmt.parse(good, names)


def _column(record: Record, field_name: str) -> int:
    """Column of a field: in its JSON line, or behind the CSV fields before it."""
    if isinstance(record.source, str):
        return max(0, record.source.find(f'"{field_name}"')) + 1
    if isinstance(record.source, tuple) and field_name in record.source[0]:
        header, row = record.source
        return sum(len(field) + 1 for field in row[: header.index(field_name)]) + 1
    return 1


def _check(batch: Batch) -> None:
    """Raise BadRecord where a row breaks what every log must keep."""
    known = np.maximum(batch.cached_tokens, 0) + np.maximum(batch.written_tokens, 0)
    counts = (
        ("input_tokens", batch.input_tokens, 1),
        ("output_tokens", batch.output_tokens, 0),
        ("reasoning_tokens", batch.reasoning_tokens, 0),
        ("cached_tokens", batch.cached_tokens, UNKNOWN),
        ("written_tokens", batch.written_tokens, UNKNOWN),
        ("max_output_tokens", batch.max_output_tokens, UNKNOWN),
    )
    if not np.isfinite(batch.at_s).all():
        raise BadRecord("arrival_s", "arrival_s must be a finite number")
    for name, column, least in counts:
        if (column < least).any():
            floor = max(least, 0)
            bad = column[column < least][0]
            raise BadRecord(name, f"{name} must be {floor} or more, not {bad}")
        if (column > MAX_TOKENS).any():
            raise BadRecord(name, f"{name} must be at most {MAX_TOKENS}, not {column.max()}")
    over = known > batch.input_tokens
    if over.any():
        at = int(over.argmax())
        raise BadRecord(
            "cached_tokens",
            f"{known[at]} tokens read from and written to a cache, but the prompt has only "
            f"{batch.input_tokens[at]}",
        )
    if (batch.gap_s < 0).any() or (batch.deadline_s <= 0).any():
        raise BadRecord("gap_s", "gap_s must be 0 or more, deadline_s above 0")


def _check_order(batch: Batch, last_s: float) -> None:
    if batch.size and (batch.at_s[0] < last_s or (np.diff(batch.at_s) < 0).any()):
        raise BadRecord("arrival_s", "arrival_s goes backwards")


def whole(record: dict[str, Any], name: str, default: int | None = None) -> int:
    """Return a token count of a JSON record."""
    value = record.get(name, default)
    if value is None and default is not None:
        return default
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadRecord(
            name, _missing(record, name) or f"{name} must be a whole number, not {value!r}"
        )
    if value < 0:
        raise BadRecord(name, f"{name} must be 0 or more, not {value}")
    return value


def number(record: dict[str, Any], name: str) -> float:
    """Return a finite number of a JSON record."""
    value = record.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRecord(name, _missing(record, name) or f"{name} must be a number, not {value!r}")
    if not abs(value) < 1e20:
        raise BadRecord(name, f"{name} must be a finite number, not {value}")
    return float(value)


def _missing(record: dict[str, Any], name: str) -> str:
    return "" if name in record else f"missing field {name!r}"


def seconds(name: str, text: object) -> float:
    """Return a point in time [s since 1970]: ISO 8601, UTC when bare, or a number of seconds."""
    if isinstance(text, int | float) and not isinstance(text, bool):
        return float(text)
    if isinstance(text, datetime):
        return (text if text.tzinfo else text.replace(tzinfo=UTC)).timestamp()
    try:
        moment = datetime.fromisoformat(str(text).strip())
    except ValueError:
        raise BadRecord(name, f"{name} must be a date and time, not {str(text)[:60]!r}") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
