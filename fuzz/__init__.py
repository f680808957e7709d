"""Fuzzing of all readers of outside input with almost valid inputs: ``python -m fuzz --help``.

A reader either accepts an input or refuses it with a line for each fault. Anything else is a fault:
a traceback, a hang, a message of several lines or without a location, a file written outside of the
output folder.
"""
