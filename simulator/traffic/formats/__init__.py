"""Log formats: readers of other formats, and the canonical format, read and written."""
