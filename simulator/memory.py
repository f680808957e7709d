"""How this process's memory is managed, where the C library lets itself be told."""

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""Parameters of glibc's ``mallopt``."""
_KEPT_BYTES = 1 << 30


def keep_freed_memory() -> None:
    """Let freed arrays be used again instead of returning them to the system.

    Every simulation makes and drops the same arrays. glibc gives the large ones back each time, and
    faulting them in anew took a fifth of the time of sizing an option. Elsewhere this does nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_ARENA_MAX, 1)  # the arenas of other threads give everything back all the same
