"""File names for any names: safe on every system, readable and unique."""

import hashlib
import re

MOST_CHARS = 60
"""Longest file name without its suffix; systems allow 255 bytes."""
_SAFE = re.compile(r"[a-z0-9][a-z0-9_-]*(?:\.[a-z0-9_-]+)*")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)")
"""Names of devices on Windows."""
_HASHED = re.compile(r"-[0-9a-f]{10}$")
"""End of the file names that have a hash."""


def file_name(name: str) -> str:
    """Return the file name of a name, without a suffix.

    Plain names are unchanged. All others, including those with capitals (which some file systems do
    not distinguish), become their plain characters and a hash of the name. Different names never
    have the same file name, and a name always has the same one.
    """
    is_plain = _SAFE.fullmatch(name) and not _RESERVED.match(name) and not _HASHED.search(name)
    if is_plain and len(name) <= MOST_CHARS:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    plain = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[: MOST_CHARS - 11].strip("-")
    return f"{plain or 'name'}-{digest}"
