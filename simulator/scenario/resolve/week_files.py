"""Weekly shapes in files of their own: their numbers take the place of the file's name."""

import re
from dataclasses import replace

from simulator.errors import InputError, nearest
from simulator.files.text import read_text
from simulator.files.yamltree import copied
from simulator.scenario.document.document import Document, Path_, PlacedFaults
from simulator.traffic.shapes import shape_names, week_of

_SEPARATORS = re.compile(r"[\s,;]+")
_KEYS = ("week", "repeat_week")


def read_week_files(document: Document, faults: PlacedFaults) -> Document:
    """Replace the names of files with weekly shapes by their 24 or 168 numbers.

    A name that is neither a weekly shape nor such a file is noted.
    """
    traffic = document.data.get("traffic")
    if not isinstance(traffic, dict):
        return document
    named = {
        ("traffic", name, key): workload[key]
        for name, workload in traffic.items()
        if isinstance(workload, dict)
        for key in _KEYS
        if isinstance(workload.get(key), str) and workload[key] not in shape_names()
    }
    if not named:
        return document
    data, origins = copied(document.data), dict(document.origins)
    for at, name in named.items():
        try:
            factors = _factors(document, at, name)
        except InputError as error:
            faults.note(document, at, error)
            continue
        data["traffic"][at[1]][at[2]] = factors
        origins[at] = document.location(at)
    return replace(document, data=data, origins=origins)


def _factors(document: Document, at: Path_, name: str) -> list[float]:
    """Return the numbers of a file.

    Raises
    ------
    InputError
        If there is no such file, or it has no 24 or 168 usable numbers.
    """
    path = document.file(at, name)
    if not path.is_file():
        near = nearest(name, shape_names())
        raise InputError(f"{name!r} is neither a weekly shape nor a file{near}")
    words = [word for word in _SEPARATORS.split(read_text(path)) if word]
    try:
        factors = [float(word) for word in words]
    except ValueError as error:
        raise InputError(f"{name}: expected 24 or 168 numbers: {error}") from None
    week_of(factors)
    return factors
