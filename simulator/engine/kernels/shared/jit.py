"""Decorators that compile the data plane: few entries, and the functions that are parts of them."""

from pathlib import Path

from simulator.jit import compiler

# _nrt=False: nothing here allocates, so reference counting is off; it took two thirds of the time.
# forceinline: otherwise the arrays of the engine state are copied to the stack at every call.
_ENGINE = Path(__file__).parents[2]
# Wrappers that only Python callers need took a third of the compilation time.
_INNER = {"_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}

entry = compiler(_ENGINE, _nrt=False, forceinline=True)
"""Decorator of functions that Python calls."""
compiled = compiler(_ENGINE, **_INNER, forceinline=True)
"""Decorator of functions that only compiled code calls; they are inlined."""
called = compiler(_ENGINE, **_INNER)
"""Decorator of functions with many compiled callers: compiled once and not inlined, they must take
single arrays instead of the engine state."""
