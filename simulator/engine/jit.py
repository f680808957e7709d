"""How the data plane is compiled."""

from pathlib import Path

from simulator.jit import compiler

# _nrt=False: nothing in here allocates, so no reference counting; it took two thirds of the time.
# forceinline: the plane's arrays would else be copied to the stack at every call.
compiled = compiler(Path(__file__).parent, _nrt=False, forceinline=True)
