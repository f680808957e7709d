"""Compilation of kernels with Numba, and the cache of compiled code."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numba


def compiler(folder: Path, **options: Any) -> Callable[..., Any]:
    """Return the decorator that compiles the functions of one package and its subpackages.

    Set ``NUMBA_DISABLE_JIT=1`` to run the same code as plain Python, for debugging and coverage.
    Divisions are not checked: division by zero yields inf.
    """
    _drop_stale_cache(folder)
    decorator: Callable[..., Any] = numba.njit(
        cache=True, error_model="numpy", nogil=True, **options
    )
    return decorator


def _drop_stale_cache(folder: Path) -> None:
    """Delete cached code if any source of the package or its subpackages changed.

    Numba only checks the file of a function itself, but functions are inlined across files.
    """
    digest = hashlib.sha256()
    for source in sorted(folder.rglob("*.py")):
        digest.update(source.read_bytes())
    stamp = folder / "__pycache__" / "compiled.sha256"
    with suppress(OSError):  # a read-only installation is replaced as a whole, with new times
        if stamp.is_file() and stamp.read_text() == digest.hexdigest():
            return
        # Numba writes an index before the code that it names. A process that reads the index in
        # between must not find old code under that name, so both kinds of files are deleted.
        for file in (*folder.rglob("__pycache__/*.nbi"), *folder.rglob("__pycache__/*.nbc")):
            file.unlink(missing_ok=True)
        stamp.parent.mkdir(exist_ok=True)
        stamp.write_text(digest.hexdigest())
