"""How the loops over prompts and blocks are compiled."""

from pathlib import Path

from simulator.jit import compiler

compiled = compiler(Path(__file__).parent)
