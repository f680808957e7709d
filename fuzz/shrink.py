"""The smallest part of an input that still shows a fault."""

import time
from collections.abc import Callable
from dataclasses import replace

from fuzz.cases import Reader, Sample, Verdict, judged
from fuzz.sandbox import Sandbox

_TIME_S = 60.0


def shrunk(reader: Reader, sample: Sample, fault: Verdict, sandbox: Sandbox) -> Sample:
    """Return a sample out of which pieces are cut as long as the fault stays the same.

    Lines go first, then single bytes; pieces become half as large whenever none can go any more.
    """
    end_s = time.monotonic() + _TIME_S

    def shows(pieces: list[bytes]) -> bool:
        tried = replace(sample, data=b"".join(pieces))
        return judged(reader, tried, sandbox).key == fault.key

    lines = _fewest(sample.data.splitlines(keepends=True), shows, end_s)
    data = b"".join(lines)
    single = _fewest([data[k : k + 1] for k in range(len(data))], shows, end_s)
    return replace(sample, data=b"".join(single))


def _fewest(pieces: list[bytes], shows: Callable[[list[bytes]], bool], end_s: float) -> list[bytes]:
    size = max(1, len(pieces) // 2)
    while pieces and time.monotonic() < end_s:
        begin, gone = 0, False
        while begin < len(pieces) and time.monotonic() < end_s:
            rest = pieces[:begin] + pieces[begin + size :]
            if shows(rest):
                pieces, gone = rest, True
            else:
                begin += size
        if size == 1 and not gone:
            break
        size = max(1, size // 2)
    return pieces
