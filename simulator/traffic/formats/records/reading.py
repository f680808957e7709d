"""Reading of a log of any format into batches.

A format defines how its file is split into records and how records are parsed into a batch. Records
are parsed in portions; when that fails, they are parsed again one by one, so that the message names
the row, and so that ``--skip-bad`` leaves out only that row.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InputError
from simulator.files.text import Source, fail, label
from simulator.traffic.formats.records.chunks import Chunk
from simulator.traffic.formats.records.values import BadRecord
from simulator.traffic.logs.log import UNKNOWN, Batch, concatenate
from simulator.traffic.logs.summary import UNUSABLE, ReadingCounts, kind_count

if TYPE_CHECKING:
    from simulator.traffic.formats.records.heads import Head

MAX_TOKENS = 100_000_000
"""Upper limit of one prompt or answer: ten times the largest context of any model."""
MAX_ARRIVAL_S = 1e11
"""Upper limit of times since 1970: the year 5138. Later ones are in milliseconds, or invalid."""
_OTHER_SHAPE = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)
"""Exceptions that parsing raises for a record whose structure is not that of the format."""


@dataclass
class Names:
    """Names in one log, numbered in the order of their first appearance."""

    sessions: dict[str, int] = field(default_factory=dict)
    workloads: dict[str, int] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    """Models, providers, teams and keys."""
    kinds: dict[str, int] = field(default_factory=dict)
    """Reasons why rows are no requests of a model."""
    clocks: dict[str, int] = field(default_factory=dict)
    """Parts of a log whose timestamps restart at zero."""

    def session(self, keys: Sequence[Any]) -> NDArray[np.int64]:
        """Return the number of each session, ``UNKNOWN`` for None and empty keys. (n_rows,)"""
        return self._number(self.sessions, keys, UNKNOWN)

    def workload(self, keys: Sequence[Any]) -> NDArray[np.int32]:
        """Return the number of each workload; rows without a name are ``replay``. (n_rows,)"""
        nameless = UNKNOWN
        if _count_blanks(keys):
            nameless = self.workloads.setdefault("replay", len(self.workloads))
        return self._number(self.workloads, keys, nameless).astype(np.int32)

    def label(self, keys: Sequence[Any]) -> NDArray[np.int32]:
        """Return the number of each model, provider, team or key, or ``UNKNOWN``. (n_rows,)"""
        return self._number(self.labels, keys, UNKNOWN).astype(np.int32)

    def kind(self, keys: Sequence[Any]) -> NDArray[np.int32]:
        """Return the number of each reason to leave a row out, or ``UNKNOWN``. (n_rows,)"""
        return self._number(self.kinds, keys, UNKNOWN).astype(np.int32)

    @staticmethod
    def _number(numbers: dict[str, int], keys: Sequence[Any], blank: int) -> NDArray[np.int64]:
        if _count_blanks(keys) == len(keys):
            return np.full(len(keys), blank, np.int64)
        number_of = {None: blank, "": blank}
        for key in dict.fromkeys(keys):
            if key not in number_of:
                number_of[key] = numbers.setdefault(str(key), len(numbers))
        return np.array(list(map(number_of.__getitem__, keys)), np.int64)


def _count_blanks(keys: Sequence[Any]) -> int:
    return keys.count("") + keys.count(None)


@dataclass
class Skips:
    """Unusable rows, which are left out if that is ``allowed``; else the first one raises."""

    allowed: bool = False
    count: int = 0
    first: str = ""
    tally: ReadingCounts = field(default_factory=ReadingCounts)

    def note(
        self, path: Source, line: int, column: int, message: str, kind: str = UNUSABLE
    ) -> None:
        """Count one bad row or raise InputError for it."""
        text = f"{label(path)}:{line}:{column}: {message}"
        if not self.allowed:
            raise InputError(text)
        self.count += 1
        self.first = self.first or text
        self.tally.refused[kind] += 1


@dataclass(frozen=True, slots=True)
class Format:
    """A format of logs."""

    name: str
    about: str
    matches: "Callable[[Head], bool]"
    """Whether the beginning of a file has the structure of this format."""
    chunks: Callable[[Any], Iterator[Chunk]]
    """Reads the records of a path, or of the address of a database."""
    parse: Callable[[Any, Names], Batch]
    """Parses the records of a chunk into a batch; raises BadRecord."""
    in_order: bool = True
    """Rows must not go back in time; rows of other formats are sorted."""
    block_tok: int = 16
    """Tokens of a prefix block, for formats with blocks."""
    fields: tuple[str, ...] = ()
    """Fields of its records, by which a file that lacks some of them is told what it resembles."""
    own_names: Mapping[str, str] = field(default_factory=dict)
    """The format's names for the columns of a batch, used in messages."""


def read(
    path: Source, fmt: Format, names: Names, skips: Skips, *, whole: bool = False
) -> Iterator[Batch]:
    """Yield a log's requests in the order of time.

    With ``whole``, the rows that are no requests are yielded too, such as failed calls; they have a
    reason in ``billing.left_out``, and their tokens are not checked.

    Raises
    ------
    InputError
        At the first unusable row, unless ``skips`` allows it, and if there is no usable row.
    """
    batches = _read_batches(path, fmt, names, skips, whole)
    if not fmt.in_order:
        rows = list(batches)
        if rows:
            log = concatenate(rows)
            yield log.take(np.argsort(log.at_s, kind="stable"))
        else:
            _fail_without_rows(path, skips)
        return
    is_empty = True
    for batch in batches:
        is_empty = False
        yield batch
    if is_empty:
        _fail_without_rows(path, skips)


def _fail_without_rows(path: Source, skips: Skips) -> NoReturn:
    found = [kind_count(kind, count) for kind, count in skips.tally.left_out.items()]
    reasons = [f"left out {', '.join(found)}"] if found else []
    reasons += [f"{skips.count} skipped"] if skips.count else []
    fail(path, 1, 1, "no usable records" + (f" ({'; '.join(reasons)})" if reasons else ""))


def _read_batches(
    path: Source, fmt: Format, names: Names, skips: Skips, whole: bool
) -> Iterator[Batch]:
    last_s = -np.inf
    for chunk in fmt.chunks(path):
        _note_chunk(chunk, path, skips)
        try:
            batch = _check_batch(fmt, fmt.parse(chunk.take(), names), last_s)
        except (BadRecord, *_OTHER_SHAPE):
            batch = _parse_one_by_one(path, fmt, names, skips, chunk, last_s)
        requests = _requests(batch)
        if requests.size:
            last_s = float(requests.at_s[-1])
        if requests.size < batch.size:
            _count_left_out(batch, names, skips)
        found = batch if whole else requests
        if found.size:
            yield found


def _note_chunk(chunk: Chunk, path: Source, skips: Skips) -> None:
    for broken in chunk.broken:
        skips.note(path, *broken)
    skips.tally.remarks |= dict.fromkeys(chunk.remarks)
    if not skips.tally.unread_columns:
        skips.tally.unread_columns.extend(chunk.unread_columns)


def _requests(batch: Batch) -> Batch:
    """Return the rows that are requests of a model."""
    if batch.billing is None or (batch.billing.left_out == UNKNOWN).all():
        return batch
    return batch.take(np.flatnonzero(batch.billing.left_out == UNKNOWN))


def _count_left_out(batch: Batch, names: Names, skips: Skips) -> None:
    if batch.billing is None:
        return
    counts = np.bincount(batch.billing.left_out + 1, minlength=len(names.kinds) + 1)[1:]
    for kind, number in names.kinds.items():
        if counts[number]:
            skips.tally.left_out[kind] += int(counts[number])


def _parse_one_by_one(
    path: Source, fmt: Format, names: Names, skips: Skips, chunk: Chunk, last_s: float
) -> Batch:
    """Parse records one by one, report the bad ones, and return the others."""
    good: list[Batch] = []
    for row in range(chunk.size):
        try:
            batch = _check_batch(fmt, fmt.parse(chunk.take([row]), names), last_s)
        except BadRecord as error:
            name = fmt.own_names.get(error.field_name, error.field_name)
            message = str(error).replace(error.field_name, name) if name else str(error)
            skips.note(path, chunk.line(row), chunk.column(row, name), message, error.kind)
            continue
        except _OTHER_SHAPE as error:
            reason = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
            skips.note(path, chunk.line(row), 1, f"no {fmt.name} record: {reason}")
            continue
        if batch.size:
            requests = _requests(batch)
            last_s = float(requests.at_s[-1]) if requests.size else last_s
            good.append(batch)
    # The good rows are not parsed again together: the conversion of a value may depend on the other
    # values of its column.
    return concatenate(good) if good else fmt.parse(chunk.take([]), names)


def _check_batch(fmt: Format, batch: Batch, last_s: float) -> Batch:
    """Return a batch whose requests satisfy the rules of all logs, or raise BadRecord."""
    rows = _requests(batch)
    _check_values(rows)
    backwards = rows.size and (rows.at_s[0] < last_s or (np.diff(rows.at_s) < 0).any())
    if fmt.in_order and backwards:
        raise BadRecord("arrival_s", "arrival_s goes backwards")
    return batch


def _check_values(batch: Batch) -> None:
    """Raise BadRecord for the first value that no log may have."""
    cache_tokens = np.maximum(batch.cached_tokens, 0) + np.maximum(batch.written_tokens, 0)
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
    over = cache_tokens > batch.input_tokens
    if over.any():
        row = int(over.argmax())
        raise BadRecord(
            "cached_tokens",
            f"{cache_tokens[row]} tokens read from and written to a cache, but the prompt has only "
            f"{batch.input_tokens[row]}",
        )
    if (np.abs(batch.end_s) >= MAX_ARRIVAL_S).any():
        raise BadRecord("end_s", f"end_s must be seconds below {MAX_ARRIVAL_S:.0e}")
    if np.isinf(batch.gap_s).any():
        raise BadRecord("gap_s", "gap_s must be a finite number")
    if (batch.gap_s < 0).any() or (batch.deadline_s <= 0).any():
        raise BadRecord("gap_s", "gap_s must be 0 or more, deadline_s above 0")
