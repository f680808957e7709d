"""How far a wanted name is from a name of an offer, part by part.

A part that only one of two names states does not keep them apart, except where it changes the
price: another snapshot, variant, maker or region.
"""

from dataclasses import dataclass

from simulator.pricing.aliases import recognises
from simulator.scenario.catalog.offers.naming import OfferName, tables

ANY = "*"
"""Region or day of a wanted name for which all will do."""
GOVERNMENT = "us-gov"
"""Geography of AWS whose prices are not those of the others."""
HOME = "us"
"""Geography of AWS whose prices the book has where it knows no other."""

Gap = tuple[int, ...]
"""Differences between two names, the most important first; all 0 if they are equal."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One name of an offer, its own or one of those in the snapshot."""

    offer: str
    name: OfferName
    text: str
    """The name as it is written, without its provider."""
    region: str | None
    """Region in the offer's own name."""
    own: bool
    """Whether it is the offer's own name."""


def gap(wanted: OfferName, entry: Entry) -> Gap | None:
    """Return the differences between a wanted name and another of the same words, None if apart."""
    other = entry.name
    if wanted.provider not in (None, other.provider):
        return None
    if wanted.maker and wanted.maker != (other.maker or other.made_by):
        return None
    if wanted.version and other.version and wanted.version != other.version:
        return None
    region, day, latest = (
        _region_gap(wanted, entry),
        _day_gap(wanted, entry),
        _latest_gap(wanted, other),
    )
    if region is None or day is None or latest is None:
        return None
    return (
        region,
        day,
        latest,
        int((wanted.version is None) != (other.version is None)),
        int((wanted.maker is None) != (other.maker is None)),
        abs(wanted.left_out - other.left_out),
        int(not entry.own),
    )


def _region_gap(wanted: OfferName, entry: Entry) -> int | None:
    """Return how far apart two regions are; None if their prices are not the same."""
    if wanted.region == ANY:
        return 0
    if entry.region is None:
        if wanted.region == "global":
            return None if entry.name.provider == "aws" else 0
        return 0 if wanted.region is None else 2
    if wanted.region in (entry.region, None):
        # Without a region, the snapshot says which offer is meant, or it is not clear.
        return 0 if wanted.region == entry.name.region else 3
    if entry.region != "regional" or wanted.region in ("global", GOVERNMENT):
        return None
    by_geography = entry.name.made_by in tables().priced_by_geography
    return None if by_geography and wanted.region != HOME else 1


def _day_gap(wanted: OfferName, entry: Entry) -> int | None:
    """Return how far apart two days of snapshots are; None if they may be different snapshots."""
    other = entry.name.day
    if wanted.day in (other, ANY):
        return 0
    if wanted.day is None:
        # A day is part of every identifier of Bedrock that has one.
        return 2 if entry.name.provider == "aws" else None
    if other is None:
        return 1 if _has_snapshots(entry, wanted.day) else None
    return 1 if wanted.day.endswith(other) or other.endswith(wanted.day) else None


def _has_snapshots(entry: Entry, day: str) -> bool:
    """Return whether the snapshot of the price book counts a dated name as an offer's."""
    text = entry.text.rstrip("-@")
    forms = [day] if len(day) != 8 else [day, f"{day[:4]}-{day[4:6]}-{day[6:]}"]
    return any(recognises(entry.offer, f"{text}{mark}{form}") for mark in "-@" for form in forms)


def _latest_gap(wanted: OfferName, other: OfferName) -> int | None:
    """Return how far apart two names are of which one or none asks for the newest snapshot."""
    if wanted.latest == other.latest or wanted.day == ANY:
        return 0
    return 1 if wanted.latest else None
