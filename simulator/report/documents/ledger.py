"""Ledgers as Parquet: one row per offered request, with all items of its bill."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.decide.verdict import Verdict
from simulator.analysis.sampling.sample import Sample
from simulator.analysis.simulate.longrun import Watch
from simulator.analysis.simulate.tally import bills, fee_of
from simulator.analysis.study.options import ApiOption, SingleOption
from simulator.analysis.study.study import Study
from simulator.engine.ledger import Ledger
from simulator.engine.records import layout
from simulator.engine.spec.plan import Endpoint
from simulator.errors import InputError
from simulator.files.jsontext import read_json
from simulator.files.names import file_name
from simulator.files.optional import is_installed, missing_package
from simulator.files.writing import whole, write_files
from simulator.pricing.rows import BUCKETS, CONTENTS, CONTEXTS
from simulator.traffic.table import RequestTable

OUTCOMES = ("absent", "in_flight", "completed", "rejected", "timed_out")
"""Names of the outcome codes of ``engine.records.layout``."""
ABOUT = "ledger.json"
"""File in a folder of ledgers that names their run and the subfolder of each option."""


def write_ledger(verdict: Verdict, path: Path) -> None:
    """Simulate the winner again and write its rows; times in seconds of the horizon."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    epoch_s = verdict.study.epoch_s
    pieces = (
        pa.table(_columns(single.plan[0], epoch_s, single.sample, ledger))
        for single in verdict.winner.evaluation.singles
        for ledger in single.simulate_again()
    )
    first = next(pieces)
    with pq.ParquetWriter(path, first.schema) as writer:
        writer.write_table(first)
        for piece in pieces:
            writer.write_table(piece)


def ledger_writer(folder: Path, study: Study, fingerprint: str) -> Watch:
    """Return a callback that writes pieces of ledgers, each a file in the folder of its option.

    Parameters
    ----------
    folder : Path
        Target folder, without rows of another run. Nothing in it is deleted.
    study : Study
        Study whose options are simulated.
    fingerprint : str
        Hash of everything that the rows depend on.

    Raises
    ------
    InputError
        If pyarrow is missing, or the folder holds rows of another run.
    """
    if not is_installed("pyarrow"):
        raise missing_package("pyarrow", "a ledger")
    options = {part.name: part for option in study.options for part in option.parts}
    _claim_folder(
        folder, fingerprint, {name: _option_entry(option) for name, option in options.items()}
    )
    started: set[str] = set()

    def write(option: str, number: int, sample: Sample, ledger: Ledger) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        parts = folder / file_name(option)
        if option not in started:
            started.add(option)
            _check_earlier(parts, number)
        rows = pa.table(_columns(options[option], study.epoch_s, sample, ledger))
        with whole(_part(parts, number)) as target:
            pq.write_table(rows, target)

    return write


def _option_entry(option: SingleOption) -> dict[str, Any]:
    """Return the folder of an option's rows, and the offers by which its endpoints charge."""
    api = option.api
    endpoints = {
        label: {
            "offer": endpoint.card.offer,
            "context": CONTEXTS[endpoint.context],
            "content": CONTENTS[endpoint.content],
            "writes_for": "1h" if endpoint.cache.long else "5m",
            "billed_at": endpoint.card.billed_at,
        }
        for label, endpoint in endpoint_labels(api)
    }
    fee = {"gateway_fee_share": api.fee_share} if api is not None and api.fee_share else {}
    return {"folder": file_name(option.name), "endpoints": endpoints, **fee}


def endpoint_labels(api: ApiOption | None) -> list[tuple[str, Endpoint]]:
    """Return the endpoints of an option under unique names.

    The same offer may be bought twice, as reserved capacity and by the call.
    """
    labelled: list[tuple[str, Endpoint]] = []
    for endpoint in api.endpoints if api else ():
        earlier = sum(other.name == endpoint.name for _, other in labelled)
        labelled.append((f"{endpoint.name} #{earlier + 1}" if earlier else endpoint.name, endpoint))
    return labelled


def _claim_folder(folder: Path, fingerprint: str, options: dict[str, dict[str, Any]]) -> None:
    """Write which run a folder belongs to; raise InputError if it holds rows of another one."""
    about = folder / ABOUT
    stored = read_json(about) if about.is_file() else None
    is_other_run = isinstance(stored, dict) and stored.get("fingerprint") != fingerprint
    has_stray_rows = stored is None and any(
        next((folder / each["folder"]).glob("part-*.parquet"), None) for each in options.values()
    )
    if is_other_run or has_stray_rows:
        raise InputError(f"{folder}: contains the ledger of another run; give a new folder")
    text = json.dumps({"fingerprint": fingerprint, "options": options}, indent=2, sort_keys=True)
    write_files(folder, {ABOUT: text + "\n"})


def _part(folder: Path, number: int) -> Path:
    return folder / f"part-{number:06}.parquet"


def _check_earlier(folder: Path, number: int) -> None:
    """Raise InputError if rows that were simulated earlier are not in the folder."""
    if not all(_part(folder, earlier).is_file() for earlier in range(number)):
        raise InputError(
            f"{folder}: earlier rows of this run are missing; give --keep a new folder"
        )


def _columns(
    option: SingleOption, epoch_s: float, sample: Sample, ledger: Ledger
) -> dict[str, np.ndarray]:
    rows = np.flatnonzero(ledger.offered)
    table, api = ledger.table, option.api
    weight = sample.weight_of(ledger.arrival_s[rows])
    times = {
        name: getattr(ledger, name)[rows]
        for name in ("arrival_s", "start_s", "first_token_s", "finished_s")
    }
    names = np.array(table.workloads)
    return {
        "option": np.full(len(rows), option.name),
        **times,
        "counted": weight > 0,
        "weight": weight,
        "workload": names[table.workload[rows]],
        "session": _sessions(table)[rows],
        "turn": table.turn[rows],
        "outcome": np.array(OUTCOMES)[ledger.outcome[rows]],
        "self_hosted": ledger.server[rows] == layout.OWN,
        "endpoint": _endpoints(api, ledger)[rows],
        "attempts": ledger.attempts[rows],
        "input_tok": table.input_tokens[rows],
        "completion_tok": ledger.completion_tok[rows],
        "reasoning_tok": ledger.reasoning_tok[rows],
        "cached_tok": ledger.cached_tok[rows],
        "written_tok": ledger.written_tok[rows],
        "stored_tok_h": ledger.stored_tok_h[rows],
        "preemptions": ledger.preemptions[rows],
        "restarts": ledger.restarts[rows],
        **{name: column[rows] for name, column in _bills(api, ledger, epoch_s).items()},
    }


def _sessions(table: RequestTable) -> NDArray[np.uint64]:
    """Return a number for each row that is unique to its session over all chunks. (n_requests,)"""
    begins = table.sessions()
    lengths = np.diff(np.append(begins, table.size))
    return np.repeat(table.random_bits[begins], lengths)


def _endpoints(api: ApiOption | None, ledger: Ledger) -> NDArray[Any]:
    """Return the endpoint that served each row, or rejected it last; else "". (n_requests,)"""
    names = np.array([*(label for label, _ in endpoint_labels(api)), ""])
    called = (ledger.server >= 0) & (ledger.server < len(names) - 1)
    served_by: NDArray[Any] = names[np.where(called, ledger.server, len(names) - 1)]
    return served_by


def _bills(api: ApiOption | None, ledger: Ledger, epoch_s: float) -> dict[str, NDArray[np.float64]]:
    """Return when each row is priced [Unix s], NaN if it is free, and its cost by bucket [USD]."""
    size = len(ledger.outcome)
    usd = {f"usd_{bucket}": np.zeros(size) for bucket in (*BUCKETS, "gateway_fee")}
    at_s = np.full(size, np.nan)
    all_bills = list(bills(ledger, api, ledger.offered, epoch_s))
    fee = fee_of(ledger, api, all_bills) if api is not None else 0.0
    for bill in all_bills:
        at_s[bill.rows] = bill.at_s
        for bucket, cost in bill.usd.items():
            usd[f"usd_{bucket}"][bill.rows] = cost
        if fee:
            usd["usd_gateway_fee"][bill.rows] = sum(bill.usd.values()) * fee
    return {"billed_at_s": at_s, **usd}
