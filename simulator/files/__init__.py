"""All reading and writing of files.

Input may be truncated, in another encoding, nested a thousand levels deep or endless; each of these
is one error with file, line and column. Output is written completely or not at all.
"""
