"""The command: ``python -m fuzz --seconds 60 --seed 1``, or one case again by its number."""

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
"""That a reader works before it is the next one's turn; a case is always finished."""
_MEMORY_BYTES = 12 << 30
"""More than any small input needs; an endless allocation fails instead of filling the machine."""


@dataclass(slots=True)
class Tally:
    """What became of a reader's cases."""

    counts: Counter[str] = field(default_factory=Counter)
    cases: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """A fault, and the smallest input seen that shows it."""

    reader: str
    case: int
    size: int
    verdict: Verdict


def main() -> int:
    """Run the command; the exit code is 1 where there is a fault."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to go on")
    parser.add_argument("--seed", type=int, default=1, help="of all mutations")
    parser.add_argument("--reader", action="append", help="only this one; repeatable")
    parser.add_argument("--case", type=int, help="only this case of one reader, with its traceback")
    parser.add_argument("--shrink", action="store_true", help="with --case: make the input small")
    parser.add_argument("--save", type=Path, help="with --case: write the input here")
    parser.add_argument("--list", action="store_true", help="list the readers")
    asked = parser.parse_args()
    known = all_readers()
    if unknown := [name for name in asked.reader or () if name not in known]:
        parser.error(f"no reader {unknown[0]!r}; --list shows them")
    chosen = [known[name] for name in asked.reader or known]
    if asked.list:
        print("\n".join(known))
        return 0
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    os.environ.setdefault("NUMBA_OPT", "1")  # as the command line does
    with Sandbox() as sandbox:
        if asked.case is not None:
            if len(chosen) != 1:
                parser.error("--case needs one --reader")
            return _again(chosen[0], asked, sandbox)
        return _go_on(chosen, asked.seed, asked.seconds, sandbox)


def _again(reader: Reader, asked: argparse.Namespace, sandbox: Sandbox) -> int:
    """Repeat one case and show all of it."""
    sample = case_input(reader, asked.seed, asked.case)
    verdict = judged(reader, sample, sandbox)
    if asked.shrink and verdict.status == "fault":
        sample = shrunk(reader, sample, verdict, sandbox)
    if asked.save:
        asked.save.write_bytes(sample.data)
    print(f"{sample.name}, {len(sample.data)} bytes: {sample.data[:2000]!r}")
    print(f"{verdict.status}: {verdict.kind} {verdict.where}\n  {verdict.message}")
    if verdict.status == "fault":
        path, out = sandbox.fresh(sample.name, sample.data)
        try:
            reader.read(path, out)
        except Exception:
            traceback.print_exc(file=sys.stdout)
    return int(verdict.status == "fault")


def _go_on(readers: list[Reader], seed: int, seconds: float, sandbox: Sandbox) -> int:
    """Take turns until the time is over, then say what came of it."""
    end_s = time.monotonic() + seconds
    tallies = {reader.name: Tally() for reader in readers}
    faults: dict[tuple[str, str], Found] = {}
    for reader in readers:  # imports and compilation do not count as a reader's time
        for sample in reader.samples()[:1]:
            judged(reader, sample, sandbox, limit_s=600.0)
    while time.monotonic() < end_s:
        for reader in readers:
            turn_s = time.monotonic() + _TURN_S
            while time.monotonic() < min(turn_s, end_s):
                _one(reader, seed, tallies[reader.name], faults, sandbox)
    _print_table(tallies)
    for found in sorted(faults.values(), key=lambda f: (f.reader, f.verdict.key)):
        _print_fault(found, seed)
    return int(bool(faults))


def _one(
    reader: Reader,
    seed: int,
    tally: Tally,
    faults: dict[tuple[str, str], Found],
    sandbox: Sandbox,
) -> None:
    case, tally.cases = tally.cases, tally.cases + 1
    sample = case_input(reader, seed, case)
    verdict = judged(reader, sample, sandbox)
    tally.counts[verdict.status] += 1
    if verdict.status == "fault":
        size = len(sample.data)
        known = faults.get(verdict.key)
        if known is None:
            sys.stderr.write(f"{reader.name} {case}: {verdict.kind} {verdict.where}\n")
        if known is None or size < known.size:
            faults[verdict.key] = Found(reader.name, case, size, verdict)


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


def _print_fault(found: Found, seed: int) -> None:
    verdict = found.verdict
    print(f"\n{verdict.kind}  {verdict.where}")
    print(f"  {verdict.message.splitlines()[0][:200] if verdict.message else ''}")
    for frame in verdict.path:
        print(f"    {frame}")
    print(f"  python -m fuzz --seed {seed} --reader {found.reader} --case {found.case}")


if __name__ == "__main__":
    sys.exit(main())
