"""The winner's ledger as a Parquet file: one row per offered request."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.longrun import Watch
from simulator.analysis.sampling import Sample
from simulator.analysis.verdict import Verdict
from simulator.engine import layout
from simulator.engine.ledger import Ledger
from simulator.errors import InputError
from simulator.traffic.table import RequestTable

OUTCOMES = ("absent", "in_flight", "completed", "rejected", "timed_out")
"""Names of the outcome codes of ``engine.layout``."""


def write_ledger(verdict: Verdict, path: Path) -> None:
    """Simulate the winner once more and write its rows; times in seconds of the horizon."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pieces = (
        pa.table(_columns(single.sample, ledger))
        for single in verdict.winner.evaluation.singles
        for ledger in single.simulated_again()
    )
    first = next(pieces)
    with pq.ParquetWriter(path, first.schema) as writer:
        writer.write_table(first)
        for piece in pieces:
            writer.write_table(piece)


def _sessions(table: RequestTable) -> NDArray[np.uint64]:
    """A number by row that only the rows of its session share, in all chunks. (n_requests,)"""
    begins = table.sessions()
    lengths = np.diff(np.append(begins, table.size))
    return np.repeat(table.dice[begins], lengths)


def ledger_writer(folder: Path) -> Watch:
    """Return what writes the pieces of every option's ledger, each a file in its option's folder.

    Raises
    ------
    InputError
        Without pyarrow.
    """
    if find_spec("pyarrow") is None:
        raise InputError("a ledger needs pyarrow: pip install 'breakeven[parquet]'")

    begun: set[str] = set()

    def write(option: str, number: int, sample: Sample, ledger: Ledger) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        target = folder / option / f"part-{number:06}.parquet"
        if option not in begun:
            begun.add(option)
            _make_way(target.parent, number)
        partial = target.with_suffix(".partial")
        pq.write_table(pa.table(_columns(sample, ledger)), partial)
        partial.replace(target)

    return write


def _make_way(folder: Path, number: int) -> None:
    """Remove parts of other runs from ``number`` on; those before it must be there.

    Raises
    ------
    InputError
        When what was simulated before has not been written here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = sorted(folder.glob("part-*.parquet"))
    earlier = [path for path in known if path.name < f"part-{number:06}.parquet"]
    if len(earlier) < number:
        raise InputError(
            f"{folder}: rows that were simulated before are missing; keep the run in a new folder"
        )
    for path in known[number:]:
        path.unlink()


def _columns(sample: Sample, ledger: Ledger) -> dict[str, np.ndarray]:
    rows = np.flatnonzero(ledger.offered)
    table = ledger.table
    weight = sample.weight_of(ledger.arrival_s[rows])
    times = {
        name: getattr(ledger, name)[rows]
        for name in ("arrival_s", "start_s", "first_token_s", "finished_s")
    }
    names = np.array(table.workloads)
    return {
        **times,
        "counted": weight > 0,
        "weight": weight,
        "workload": names[table.workload[rows]],
        "session": _sessions(table)[rows],
        "turn": table.turn[rows],
        "outcome": np.array(OUTCOMES)[ledger.outcome[rows]],
        "self_hosted": ledger.server[rows] == layout.FLEET,
        "input_tok": table.input_tokens[rows],
        "output_tok": ledger.output_tok[rows],
        "cached_tok": ledger.cached_tok[rows],
        "written_tok": ledger.written_tok[rows],
        "preemptions": ledger.preemptions[rows],
        "restarts": ledger.restarts[rows],
    }
