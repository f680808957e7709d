"""File names out of names: safe on every system, readable, and each its own."""

import hashlib
import re

MOST_CHARS = 60
"""Of a file name before its ending; systems take 255 bytes."""
_SAFE = re.compile(r"[a-z0-9][a-z0-9_-]*(?:\.[a-z0-9_-]+)*")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)")
"""Names that mean devices on Windows."""
_HASHED = re.compile(r"-[0-9a-f]{10}$")


def file_name(name: str) -> str:
    """Return a file name for a name, with no ending of its own.

    Plain names stand as they are. Any other, capitals included (some file systems do not tell them
    apart), is made of the characters that are plain and of a hash of the name: different names
    never get the same file name, and a name always gets the same one.
    """
    is_plain = _SAFE.fullmatch(name) and not _RESERVED.match(name) and not _HASHED.search(name)
    if is_plain and len(name) <= MOST_CHARS:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    plain = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[: MOST_CHARS - 11].strip("-")
    return f"{plain or 'name'}-{digest}"
