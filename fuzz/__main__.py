"""Run all readers for some time, or repeat one case by its number."""

import argparse
import os
import resource
import sys
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from fuzz.cases import Reader, Verdict, judged
from fuzz.mutate import case_input
from fuzz.readers import all_readers
from fuzz.sandbox import Sandbox
from fuzz.shrink import shrunk

_TURN_S = 0.25
"""Time for which a reader runs before the next one; a case is always finished."""
_MEMORY_BYTES = 12 << 30
"""Limit of memory, more than any small input needs; endless allocation fails at it."""


@dataclass(slots=True)
class Tally:
    """Number of a reader's cases by status."""

    counts: Counter[str] = field(default_factory=Counter)
    cases: int = 0


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, and the case with the smallest input that caused it."""

    reader: str
    case: int
    size: int
    verdict: Verdict


def main() -> int:
    """Run the command and return its exit code, 1 if there is a fault."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to run")
    parser.add_argument("--seed", type=int, default=1, help="seed of all mutations")
    parser.add_argument("--reader", action="append", help="run only this reader; repeatable")
    parser.add_argument("--case", type=int, help="repeat one case of a reader, with its traceback")
    parser.add_argument("--shrink", action="store_true", help="with --case: reduce the input")
    parser.add_argument("--save", type=Path, help="with --case: write the input to this file")
    parser.add_argument("--list", action="store_true", help="list the readers")
    arguments = parser.parse_args()
    available = all_readers()
    if unknown := [name for name in arguments.reader or () if name not in available]:
        parser.error(f"no reader {unknown[0]!r}; --list shows them")
    chosen = [available[name] for name in arguments.reader or available]
    if arguments.list:
        print("\n".join(available))
        return 0
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    os.environ.setdefault("NUMBA_OPT", "1")  # as the command line does
    with Sandbox() as sandbox:
        if arguments.case is not None:
            if len(chosen) != 1:
                parser.error("--case needs one --reader")
            return _repeat_case(chosen[0], arguments, sandbox)
        return _run_all(chosen, arguments.seed, arguments.seconds, sandbox)


def _repeat_case(reader: Reader, arguments: argparse.Namespace, sandbox: Sandbox) -> int:
    """Repeat one case, and print its input, verdict and traceback."""
    sample = case_input(reader, arguments.seed, arguments.case)
    verdict = judged(reader, sample, sandbox)
    if arguments.shrink and verdict.status == "fault":
        sample = shrunk(reader, sample, verdict, sandbox)
    if arguments.save:
        arguments.save.write_bytes(sample.data)
    print(f"{sample.name}, {len(sample.data)} bytes: {sample.data[:2000]!r}")
    print(f"{verdict.status}: {verdict.kind} {verdict.where}\n  {verdict.message}")
    if verdict.status == "fault":
        path, out = sandbox.fresh(sample.name, sample.data)
        try:
            reader.read(path, out)
        except Exception:
            traceback.print_exc(file=sys.stdout)
    return int(verdict.status == "fault")


def _run_all(readers: list[Reader], seed: int, seconds: float, sandbox: Sandbox) -> int:
    """Run the readers in turns until the time is over, then print tallies and faults."""
    end_s = time.monotonic() + seconds
    tallies = {reader.name: Tally() for reader in readers}
    faults: dict[tuple[str, str], Fault] = {}
    for reader in readers:  # imports and compilation do not count as a reader's time
        for sample in reader.samples()[:1]:
            judged(reader, sample, sandbox, limit_s=600.0)
    while time.monotonic() < end_s:
        for reader in readers:
            turn_s = time.monotonic() + _TURN_S
            while time.monotonic() < min(turn_s, end_s):
                _run_next_case(reader, seed, tallies[reader.name], faults, sandbox)
    _print_table(tallies)
    for fault in sorted(faults.values(), key=lambda f: (f.reader, f.verdict.key)):
        _print_fault(fault, seed)
    return int(bool(faults))


def _run_next_case(
    reader: Reader,
    seed: int,
    tally: Tally,
    faults: dict[tuple[str, str], Fault],
    sandbox: Sandbox,
) -> None:
    case, tally.cases = tally.cases, tally.cases + 1
    sample = case_input(reader, seed, case)
    verdict = judged(reader, sample, sandbox)
    tally.counts[verdict.status] += 1
    if verdict.status == "fault":
        size = len(sample.data)
        smallest = faults.get(verdict.key)
        if smallest is None:
            sys.stderr.write(f"{reader.name} {case}: {verdict.kind} {verdict.where}\n")
        if smallest is None or size < smallest.size:
            faults[verdict.key] = Fault(reader.name, case, size, verdict)


def _print_table(tallies: dict[str, Tally]) -> None:
    names = ("accepted", "refused", "fault")
    width = max(map(len, tallies))
    print(f"{'reader':{width}} {'cases':>8} {'accepted':>9} {'refused':>9} {'faults':>8}")
    total = Counter[str]()
    for name, tally in tallies.items():
        counts = [tally.counts[n] for n in names]
        total.update(tally.counts)
        print(f"{name:{width}} {tally.cases:8} {counts[0]:9} {counts[1]:9} {counts[2]:8}")
    counts = [total[n] for n in names]
    print(f"{'all':{width}} {sum(counts):8} {counts[0]:9} {counts[1]:9} {counts[2]:8}")


def _print_fault(fault: Fault, seed: int) -> None:
    verdict = fault.verdict
    print(f"\n{verdict.kind}  {verdict.where}")
    print(f"  {verdict.message.splitlines()[0][:200] if verdict.message else ''}")
    for frame in verdict.path:
        print(f"    {frame}")
    print(f"  python -m fuzz --seed {seed} --reader {fault.reader} --case {fault.case}")


if __name__ == "__main__":
    sys.exit(main())
