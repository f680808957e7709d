"""Dates of offers: start and end of sale, promises of providers, successors."""

from dataclasses import dataclass
from datetime import date

from simulator.pricing.rows import moment_text, unix_s


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Known dates of an offer; unknown ones are None, never guessed."""

    since: date | None = None
    """First day or time of sale."""
    ends: date | None = None
    """First day or time at which it is no longer sold."""
    at_least_until: date | None = None
    """Day until which the provider has promised to sell it."""
    price_at_least_until: date | None = None
    """Day until which the provider has promised its price; later prices are unknown."""
    announced: date | None = None
    """Day on which the provider announced the end."""
    checked: date | None = None
    """Day on which these dates were looked up."""
    deprecated: bool = False
    """Whether a feed marks it as deprecated, without a date."""
    successor: str | None = None
    """Offer that the provider names as its replacement."""
    source: str = ""

    @property
    def known(self) -> bool:
        """Whether any date or fact is known."""
        return self != NOTHING_KNOWN

    def state(self, at_s: float) -> str:
        """Return the state at a Unix time in a few words; empty if nothing is known."""
        if self.since is not None and at_s < unix_s(self.since):
            return f"from {moment_text(self.since)}"
        if self.ends is not None:
            past = at_s >= unix_s(self.ends)
            return f"{'retired' if past else 'ends'} {moment_text(self.ends)}"
        if self.deprecated:
            return "deprecated"
        if self.price_at_least_until is not None:
            past = at_s >= unix_s(self.price_at_least_until)
            day = moment_text(self.price_at_least_until)
            return f"price {'was ' if past else ''}promised until {day}"
        if self.at_least_until is not None:
            return f"at least until {moment_text(self.at_least_until)}"
        return ""

    def doubts(self, offer: str, begin_s: float, end_s: float) -> list[str]:
        """Return notes on times within a span of Unix times for which the offer is doubtful."""
        instead = f"; the provider names {self.successor} instead" if self.successor else ""
        notes = []
        if self.since is not None and begin_s < unix_s(self.since):
            notes.append(f"{offer} was not sold before {moment_text(self.since)}")
        if self.ends is not None and end_s > unix_s(self.ends):
            verb = "was retired" if begin_s >= unix_s(self.ends) else "ends"
            notes.append(f"{offer} {verb} on {moment_text(self.ends)}{instead}")
        elif self.deprecated:
            notes.append(f"{offer} is deprecated; its end is unknown{instead}")
        promised = self.price_at_least_until
        if promised is not None and end_s > unix_s(promised):
            day = moment_text(promised)
            notes.append(f"the price of {offer} is promised until {day}; later prices are unknown")
        least = self.at_least_until if self.ends is None else None
        if least is not None and end_s > unix_s(least):
            notes.append(f"{offer} is promised only until {moment_text(least)}")
        return notes


NOTHING_KNOWN = Lifetime()
