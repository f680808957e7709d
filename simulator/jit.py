"""How compiled code is cached, for every package that has some."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numba


def compiler(folder: Path, **options: Any) -> Callable[..., Any]:
    """Return the decorator that compiles the functions of one package and its subpackages.

    Set ``NUMBA_DISABLE_JIT=1`` to run the same code as plain Python, for debugging and coverage.
    A division by zero yields inf instead of a check on every division.
    """
    _drop_stale_cache(folder)
    decorator: Callable[..., Any] = numba.njit(
        cache=True, error_model="numpy", nogil=True, **options
    )
    return decorator


def _drop_stale_cache(folder: Path) -> None:
    """Forget compiled code when any source of the package or its subpackages changed.

    Numba checks a function's own file only, but functions are inlined across files.
    """
    digest = hashlib.sha256()
    for source in sorted(folder.rglob("*.py")):
        digest.update(source.read_bytes())
    stamp = folder / "__pycache__" / "compiled.sha256"
    with suppress(OSError):  # read-only installations change as a whole, times included
        if stamp.is_file() and stamp.read_text() == digest.hexdigest():
            return
        # Numba writes an index before the code that it names. Another process that reads the
        # index in between must not find the old code under that name.
        for file in (*folder.rglob("__pycache__/*.nbi"), *folder.rglob("__pycache__/*.nbc")):
            file.unlink(missing_ok=True)
        stamp.parent.mkdir(exist_ok=True)
        stamp.write_text(digest.hexdigest())
