"""Decorator that compiles the loops over prompts and blocks."""

from pathlib import Path

from simulator.jit import compiler

compiled = compiler(Path(__file__).parent)
