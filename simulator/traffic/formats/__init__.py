"""Log formats: readers of other tools' formats, and the canonical format, read and written."""
