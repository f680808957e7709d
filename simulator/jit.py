"""Compilation of kernels with Numba, and the cache of compiled code."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

_functions: list[Any] = []
"""All functions of this process that Numba compiles."""


def compiler(folder: Path, **options: Any) -> Callable[..., Any]:
    """Return the decorator that compiles the functions of one package and its subpackages.

    Set ``NUMBA_DISABLE_JIT=1`` to run the same code as plain Python, for debugging and coverage.
    Divisions are not checked: division by zero yields inf.
    """
    import numba  # slow to import; commands that compile nothing do without it

    _drop_stale_cache(folder)
    decorator = numba.njit(cache=True, error_model="numpy", nogil=True, **options)

    def decorate(function: Callable[..., Any]) -> Any:
        compiled = decorator(function)
        if compiled is not function:  # NUMBA_DISABLE_JIT leaves it as it is
            _functions.append(compiled)
        return compiled

    return decorate


def compilation() -> tuple[int, int] | None:
    """Return the numbers of compiled and of all functions; None while nothing is compiled.

    Functions whose code comes from the cache are not compiled. A run does not need all functions.
    """
    compiled = [function for function in _functions if function.stats.cache_misses]
    if not any(function.is_compiling for function in compiled):
        return None
    return len(compiled), len(_functions)


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
