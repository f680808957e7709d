"""Reduction of an input to a small part that still causes the same fault."""

import time
from collections.abc import Callable
from dataclasses import replace

from fuzz.cases import Reader, Sample, Verdict, judged
from fuzz.sandbox import Sandbox

_TIME_S = 60.0


def shrunk(reader: Reader, sample: Sample, fault: Verdict, sandbox: Sandbox) -> Sample:
    """Return the sample without the pieces that the fault does not need.

    Lines are removed first, then single bytes. The size of pieces is halved whenever no more of
    them can be removed.
    """
    end_s = time.monotonic() + _TIME_S

    def is_faulty(pieces: list[bytes]) -> bool:
        reduced = replace(sample, data=b"".join(pieces))
        return judged(reader, reduced, sandbox).key == fault.key

    lines = _remove_pieces(sample.data.splitlines(keepends=True), is_faulty, end_s)
    data = b"".join(lines)
    single = _remove_pieces([data[k : k + 1] for k in range(len(data))], is_faulty, end_s)
    return replace(sample, data=b"".join(single))


def _remove_pieces(
    pieces: list[bytes], is_faulty: Callable[[list[bytes]], bool], end_s: float
) -> list[bytes]:
    size = max(1, len(pieces) // 2)
    while pieces and time.monotonic() < end_s:
        begin, is_shorter = 0, False
        while begin < len(pieces) and time.monotonic() < end_s:
            rest = pieces[:begin] + pieces[begin + size :]
            if is_faulty(rest):
                pieces, is_shorter = rest, True
            else:
                begin += size
        if size == 1 and not is_shorter:
            break
        size = max(1, size // 2)
    return pieces
