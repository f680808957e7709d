"""The one door that files come in and go out by: read with their places, written as a whole.

What comes in may be cut short, of another encoding, nested a thousand deep or endless; each of
that is one error with a file, a line and a column. What goes out is there whole or not at all.
"""
