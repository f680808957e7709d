"""Bring the lines that a page shows of an output in line with the output as it is now.

Lines are shown in parts, with ``...`` between them where lines are left out. A part that the output
no longer has is replaced by the lines of the output that are most like it.
"""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import cache

LEFT_OUT = "..."
MOST_ADDED = 2
"""Lines by which a part may become longer or shorter, as where a sentence is wrapped elsewhere."""
LEAST_SIMILARITY = 0.5
"""Similarity below which a part has no counterpart in the output."""
_Found = tuple[float, tuple[range, ...]] | None
"""Similarity and places of parts; None where they have no room."""


class PageError(Exception):
    """A page whose commands fail, or print nothing like what it shows."""


def renewed(shown: Sequence[str], printed: Sequence[str]) -> list[str]:
    """Return the lines of the output that a page shows; the same where they are up to date.

    Raises
    ------
    PageError
        If the output has nothing like some of the lines.
    """
    if not shown:
        return []
    parts = _parts(shown)
    if len(parts) == 1:
        return list(printed)
    if _is_in(parts, printed):
        return list(shown)
    lines: list[str] = []
    for place in _places(parts, printed):
        lines += [*printed[place.start : place.stop], LEFT_OUT]
    return lines[:-1]


def _parts(shown: Sequence[str]) -> list[list[str]]:
    """Return the lines between ``...``; the first or last part is empty beyond an outer one."""
    parts: list[list[str]] = [[]]
    for line in shown:
        if line == LEFT_OUT:
            parts.append([])
        else:
            parts[-1].append(line)
    return parts


def _is_in(parts: list[list[str]], printed: Sequence[str]) -> bool:
    """Whether an output has all parts in their order, the outer ones at its ends."""
    first, *inner, last = parts
    end = len(printed) - len(last)
    if list(printed[: len(first)]) != first or list(printed[end:]) != last:
        return False
    place = len(first)
    for part in inner:
        starts = range(place, end - len(part) + 1)
        start = next((s for s in starts if list(printed[s : s + len(part)]) == part), None)
        if start is None:
            return False
        place = start + len(part)
    return place <= end


def _places(parts: list[list[str]], printed: Sequence[str]) -> list[range]:
    """Return the places in an output that are most like the parts, in their order.

    Places are found from the last part to the first: ``following[line]`` has the greatest
    similarity of the later parts to the output from that line on, and their places.
    """
    end = len(printed)
    following: list[_Found] = [(0.0, ())] * (end + 1)
    for index in reversed(range(len(parts))):
        found: list[_Found] = [None] * (end + 1)
        for line in reversed(range(end + 1)):
            ways = [found[line + 1]] if line < end and (index or not parts[0]) else []
            for place in _places_at(line, index, parts, end):
                rest = following[place.stop]
                if rest is not None:
                    gain = len(parts[index]) * _similarity_at(parts[index], printed, place)
                    ways.append((rest[0] + gain, (place, *rest[1])))
            found[line] = max(filter(None, ways), key=lambda way: way[0], default=None)
        following = found
    if following[0] is None:
        raise PageError("the output is shorter than what is shown of it")
    places = list(following[0][1])
    for part, place in zip(parts, places, strict=True):
        if part and _similarity_at(part, printed, place) < LEAST_SIMILARITY:
            raise PageError("the output has nothing like\n" + "\n".join(part))
    return places


def _places_at(line: int, index: int, parts: list[list[str]], end: int) -> list[range]:
    """Return the places that begin at a line; outer parts are at the ends of the output."""
    size = len(parts[index])
    if not size:
        return [range(line, line)]
    if index == 0 and line > 0:
        return []
    lengths = range(max(1, size - MOST_ADDED), size + MOST_ADDED + 1)
    places = [range(line, line + length) for length in lengths if line + length <= end]
    is_last = index == len(parts) - 1
    return [place for place in places if place.stop == end or not is_last]


def _similarity_at(part: list[str], printed: Sequence[str], place: range) -> float:
    return _similarity("\n".join(part), "\n".join(printed[place.start : place.stop]))


@cache
def _similarity(shown: str, printed: str) -> float:
    """Similarity of two texts, of their characters and of their words without numbers."""
    words = [re.sub(r"\d+", "0", text).split() for text in (shown, printed)]
    likeness = SequenceMatcher(None, *words, autojunk=False).ratio()
    return (likeness + SequenceMatcher(None, shown, printed, autojunk=False).ratio()) / 2
