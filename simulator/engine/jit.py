"""How the data plane is compiled: one entry, everything else a part of it."""

from pathlib import Path

from simulator.jit import compiler

# _nrt=False: nothing in here allocates, so no reference counting; it took two thirds of the time.
# forceinline: the plane's arrays would else be copied to the stack at every call.
_OPTIONS = {"_nrt": False, "forceinline": True}

entry = compiler(Path(__file__).parent, **_OPTIONS)
"""Decorator of what plain Python calls."""
compiled = compiler(
    Path(__file__).parent, **_OPTIONS, no_cpython_wrapper=True, no_cfunc_wrapper=True
)
"""Decorator of what only compiled code calls: a third of the compilation went into wrappers."""
