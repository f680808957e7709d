"""Every reader of outside input under inputs that are nearly right: ``python -m fuzz --help``.

A reader either reads an input or refuses it with one line. Anything else is a fault: a traceback, a
hang, a message of several lines or without a place, a file written where none belongs.
"""
