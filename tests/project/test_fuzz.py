"""Inputs that are nearly right are read or refused, by every reader; and the fuzzer sees faults."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fuzz.cases import Reader, judged
from fuzz.mutate import case_input
from fuzz.readers import all_readers
from fuzz.samples import text_samples
from fuzz.sandbox import Sandbox
from fuzz.shrink import shrunk
from simulator.errors import InputError

SEED, CASES = 2, 10
QUICK = {name: reader for name, reader in all_readers().items() if not reader.slow}
REFUSED = ("log-address",)
"""Of which no sample leads anywhere: there is no database."""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as found:
        yield found


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(QUICK))
def test_every_input_is_read_or_refused(name: str, sandbox: Sandbox) -> None:
    """``python -m fuzz --seconds 600`` does the same for longer, and shows how to repeat a case."""
    reader = QUICK[name]
    first = judged(reader, reader.samples()[0], sandbox, limit_s=120.0)
    assert first.status == ("refused" if name in REFUSED else "accepted"), first
    begin = len(reader.samples())
    for case in range(begin, begin + CASES):
        verdict = judged(reader, case_input(reader, SEED, case), sandbox, limit_s=60.0)
        repeat = f"python -m fuzz --seed {SEED} --reader {name} --case {case}"
        assert verdict.status != "fault", (repeat, verdict)


def reading(read: Callable[[Path, Path], object], placed: bool = False) -> Reader:
    return Reader("made", lambda: text_samples("some text\nwith an x in it\n"), read, placed)


def test_a_case_is_the_same_for_its_number() -> None:
    reader = QUICK["scenario"]
    cases = [case_input(reader, 1, case).data for case in range(100)]
    assert cases == [case_input(reader, 1, case).data for case in range(100)]
    assert cases != [case_input(reader, 3, case).data for case in range(100)]
    assert len(set(cases)) > 80


def refuse(message: str) -> Callable[[Path, Path], object]:
    def read(path: Path, out: Path) -> None:
        raise InputError(message)

    return read


def write_at(place: str) -> Callable[[Path, Path], object]:
    return lambda path, out: (out / place).write_text("")


def link_away(path: Path, out: Path) -> None:
    (out / "there").symlink_to(out.parent.parent)
    (out / "there" / "file").write_text("")


@pytest.mark.parametrize(
    ("read", "placed", "status", "kind"),
    [
        (lambda path, out: path.read_text(), True, "accepted", ""),
        (refuse("a.yaml:1:2: no"), True, "refused", ""),
        (refuse("no"), False, "refused", ""),
        (refuse("no"), True, "fault", "message without a location"),
        (refuse("a.yaml:1:2: no\nand no"), True, "refused", ""),  # the error makes it one line
        (lambda path, out: int("x"), False, "fault", "ValueError"),
        (lambda path, out: time.sleep(5), False, "fault", "takes too long"),
        (write_at("inside"), False, "accepted", ""),
        (write_at("../outside"), False, "fault", "writes outside of its folder"),
        (link_away, False, "fault", "writes outside of its folder"),
        (lambda path, out: os.mkdir(out.parent / "x"), False, "fault",
         "writes outside of its folder"),
    ],
)  # fmt: skip
def test_faults_are_seen(
    read: Callable[[Path, Path], object], placed: bool, status: str, kind: str, sandbox: Sandbox
) -> None:
    reader = reading(read, placed)
    verdict = judged(reader, reader.samples()[0], sandbox, limit_s=0.3)
    assert (verdict.status, verdict.kind) == (status, kind)


def test_an_input_shrinks_to_what_shows_the_fault(sandbox: Sandbox) -> None:
    def read(path: Path, out: Path) -> None:
        if b"x" in path.read_bytes():
            raise ValueError

    reader = reading(read)
    (sample,) = reader.samples()
    fault = judged(reader, sample, sandbox)
    assert shrunk(reader, sample, fault, sandbox).data == b"x"
