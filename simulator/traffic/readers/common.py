"""What every trace reader shares: opening, complaining, and laying out an open-loop table."""

import gzip
import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InputError
from simulator.rng import stream
from simulator.traffic.table import PrefixTree, RequestTable

MAX_LINE_CHARS = 16_000_000
"""A longer line is no record of a request log; reading on would only fill the memory."""

MAX_TOKENS = 2**31 - 1


def fail(path: Path, line: int, column: int, message: str) -> NoReturn:
    """Raise InputError at a place in a file."""
    raise InputError(f"{path}:{line}:{column}: {message}")


@contextmanager
def open_text(path: Path) -> Iterator[io.TextIOWrapper]:
    """Open a plain or gzip-compressed text file."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with ExitStack() as stack:
            binary: BinaryIO = stack.enter_context(path.open("rb"))
            if path.suffix == ".gz":
                binary = cast(BinaryIO, stack.enter_context(gzip.open(binary)))
            yield stack.enter_context(io.TextIOWrapper(binary, encoding="utf-8"))
    except (UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: not readable as text: {error}") from error


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield numbered lines that are not blank."""
    with open_text(path) as text:
        number = 0
        while line := text.readline(MAX_LINE_CHARS):
            number += 1
            if len(line) >= MAX_LINE_CHARS:
                fail(path, number, 1, f"line longer than {MAX_LINE_CHARS} characters")
            if line.strip():
                yield number, line.rstrip("\r\n")


def token_count(path: Path, line: int, column: int, name: str, value: object) -> int:
    """Check one token count."""
    if not isinstance(value, int) or isinstance(value, bool):
        fail(path, line, column, f"{name} must be a whole number, not {value!r}")
    if not 0 <= value <= MAX_TOKENS:
        fail(path, line, column, f"{name} must be 0 or more, not {value}")
    return value


def open_loop_table(
    name: str,
    seed: int,
    arrival_s: NDArray[np.float64],
    input_tokens: NDArray[np.int32],
    output_tokens: NDArray[np.int32],
    prefix_node: NDArray[np.int32],
    tree: PrefixTree,
) -> RequestTable:
    """Lay out rows that arrive at their recorded times, each a session of its own."""
    count = len(arrival_s)
    rng = stream(seed, f"replay/{name}")
    return RequestTable(
        arrival_s=arrival_s,
        gap_s=np.full(count, np.nan),
        workload=np.zeros(count, np.int32),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        reasoning_tokens=np.zeros(count, np.int32),
        max_output_tokens=output_tokens,
        prefix_node=prefix_node,
        session=np.arange(count, dtype=np.int32),
        turn=np.zeros(count, np.int32),
        deadline_s=np.full(count, np.inf),
        difficulty=rng.random(count),
        ttft_z=rng.standard_normal(count),
        speed_z=rng.standard_normal(count),
        tree=tree,
        workloads=(name,),
    )
