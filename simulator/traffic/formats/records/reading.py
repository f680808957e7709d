"""From a log to batches, whatever its format.

A format says how its file falls into records and how records become a batch. Records are parsed
many at a time; when that fails, they are parsed again one by one, so that the message names the
row, and so that ``--skip-bad`` leaves out that row alone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InputError
from simulator.files.text import Source, fail, label
from simulator.traffic.formats.records.chunks import Chunk
from simulator.traffic.formats.records.values import BadRecord
from simulator.traffic.logs.log import UNKNOWN, Batch, concatenate

MAX_TOKENS = 100_000_000
"""Of one prompt or answer: ten times the largest context of any model."""
MAX_ARRIVAL_S = 1e11
"""Since 1970: the year 5138. Later times are in milliseconds, or nonsense."""
_OTHER_SHAPE = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)
"""What parsing raises when a record is built differently from what its format says."""


@dataclass
class Names:
    """Sessions and workloads of one log, numbered in the order of their first appearance."""

    sessions: dict[str, int] = field(default_factory=dict)
    workloads: dict[str, int] = field(default_factory=dict)
    clocks: dict[str, int] = field(default_factory=dict)
    """Parts of a log whose times count from a beginning of their own."""

    def session(self, keys: Sequence[Any]) -> NDArray[np.int64]:
        """Number the sessions; None and the empty string are no session. (n_rows,)"""
        return self._numbers(self.sessions, keys, UNKNOWN)

    def workload(self, keys: Sequence[Any]) -> NDArray[np.int32]:
        """Number the workloads; without a name it is ``replay``. (n_rows,)"""
        nameless = UNKNOWN
        if _blanks(keys):
            nameless = self.workloads.setdefault("replay", len(self.workloads))
        return self._numbers(self.workloads, keys, nameless).astype(np.int32)

    @staticmethod
    def _numbers(known: dict[str, int], keys: Sequence[Any], blank: int) -> NDArray[np.int64]:
        if _blanks(keys) == len(keys):
            return np.full(len(keys), blank, np.int64)
        number_of = {None: blank, "": blank}
        for key in dict.fromkeys(keys):
            if key not in number_of:
                number_of[key] = known.setdefault(str(key), len(known))
        return np.array(list(map(number_of.__getitem__, keys)), np.int64)


def _blanks(keys: Sequence[Any]) -> int:
    return keys.count("") + keys.count(None)


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
    chunks: Callable[[Any], Iterator[Chunk]]
    """From a path, or from the address of a database."""
    parse: Callable[[Any, Names], Batch]
    """From what a chunk holds to a batch, or BadRecord."""
    in_order: bool = True
    """Rows must not go back in time; formats whose exports have any order are sorted."""
    block_tok: int = 16
    """Tokens of a prefix block, where the format has blocks."""
    own_names: Mapping[str, str] = field(default_factory=dict)
    """What the format calls the columns of a batch, for messages."""


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
    last_s = -np.inf
    for chunk in fmt.chunks(path):
        for broken in chunk.broken:
            skips.note(path, *broken)
        try:
            batch = _checked(fmt, fmt.parse(chunk.take(), names), last_s)
        except (BadRecord, *_OTHER_SHAPE):
            batch = _one_by_one(path, fmt, names, skips, chunk, last_s)
        if batch.size:
            last_s = float(batch.at_s[-1])
            yield batch


def _one_by_one(
    path: Source, fmt: Format, names: Names, skips: Skips, chunk: Chunk, last_s: float
) -> Batch:
    """Parse records alone, complain about bad ones, and return the others."""
    good: list[Batch] = []
    for row in range(chunk.size):
        try:
            batch = _checked(fmt, fmt.parse(chunk.take([row]), names), last_s)
        except BadRecord as error:
            name = fmt.own_names.get(error.field_name, error.field_name)
            message = str(error).replace(error.field_name, name) if name else str(error)
            skips.note(path, chunk.line(row), chunk.column(row, name), message)
            continue
        except _OTHER_SHAPE as error:
            what = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
            skips.note(path, chunk.line(row), 1, f"no {fmt.name} record: {what}")
            continue
        if batch.size:
            last_s = float(batch.at_s[-1])
            good.append(batch)
    # Not parsed once more together: a column may hold what is read otherwise in a row by itself.
    return concatenate(good) if good else fmt.parse(chunk.take([]), names)


def _checked(fmt: Format, batch: Batch, last_s: float) -> Batch:
    """Return a batch that keeps what every log must keep; raises BadRecord."""
    _check(batch)
    backwards = batch.size and (batch.at_s[0] < last_s or (np.diff(batch.at_s) < 0).any())
    if fmt.in_order and backwards:
        raise BadRecord("arrival_s", "arrival_s goes backwards")
    return batch


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
    if not (np.abs(batch.at_s) < MAX_ARRIVAL_S).all():
        raise BadRecord("arrival_s", f"arrival_s must be seconds below {MAX_ARRIVAL_S:.0e}")
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
    if (np.abs(batch.end_s) >= MAX_ARRIVAL_S).any():
        raise BadRecord("end_s", f"end_s must be seconds below {MAX_ARRIVAL_S:.0e}")
    if np.isinf(batch.gap_s).any():
        raise BadRecord("gap_s", "gap_s must be a finite number")
    if (batch.gap_s < 0).any() or (batch.deadline_s <= 0).any():
        raise BadRecord("gap_s", "gap_s must be 0 or more, deadline_s above 0")
