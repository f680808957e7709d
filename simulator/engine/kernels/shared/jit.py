"""How the data plane is compiled: one entry, everything else a part of it."""

from pathlib import Path

from simulator.jit import compiler

# _nrt=False: nothing in here allocates, so no reference counting; it took two thirds of the time.
# forceinline: the plane's arrays would else be copied to the stack at every call.
_ENGINE = Path(__file__).parents[2]
# A third of the compilation went into wrappers that only plain Python needs.
_INNER = {"_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}

entry = compiler(_ENGINE, _nrt=False, forceinline=True)
"""Decorator of what plain Python calls."""
compiled = compiler(_ENGINE, **_INNER, forceinline=True)
"""Decorator of what only compiled code calls."""
called = compiler(_ENGINE, **_INNER)
"""The same for what many places use: compiled once, it must take single arrays, not the plane."""
