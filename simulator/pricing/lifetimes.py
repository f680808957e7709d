"""When an offer is sold, until when its price is promised, and what becomes of it."""

from dataclasses import dataclass
from datetime import date

from simulator.pricing.rows import moment_text, unix_s


@dataclass(frozen=True, slots=True)
class Lifetime:
    """What is known of an offer's dates; a date that is not known is absent, never guessed."""

    since: date | None = None
    """First day or moment on which it was sold."""
    ends: date | None = None
    """First day or moment on which it is not sold any more."""
    at_least_until: date | None = None
    """Day until which the provider promised to sell it."""
    price_at_least_until: date | None = None
    """Day until which the provider promised its price; what holds since is not known."""
    announced: date | None = None
    """Day on which the provider told the end."""
    checked: date | None = None
    """Day on which these dates were looked up."""
    deprecated: bool = False
    """A feed calls it deprecated, without a day."""
    successor: str | None = None
    """What the provider names in its place."""
    source: str = ""

    @property
    def known(self) -> bool:
        """Whether anything is known."""
        return self != NOTHING_KNOWN

    def state(self, at_s: float) -> str:
        """Return in a few words what it is at a Unix time; empty where nothing is known."""
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
            return f"price {'was ' if past else ''}promised to {day}"
        if self.at_least_until is not None:
            return f"at least to {moment_text(self.at_least_until)}"
        return ""

    def doubts(self, offer: str, begin_s: float, end_s: float) -> list[str]:
        """Return sentences on what a span of Unix times reaches into that is not known to hold."""
        instead = f"; the provider names {self.successor} instead" if self.successor else ""
        found = []
        if self.since is not None and begin_s < unix_s(self.since):
            found.append(f"{offer} was not sold before {moment_text(self.since)}")
        if self.ends is not None and end_s > unix_s(self.ends):
            told = "had ended" if begin_s >= unix_s(self.ends) else "ends"
            found.append(f"{offer} {told} on {moment_text(self.ends)}{instead}")
        elif self.deprecated:
            found.append(f"{offer} is deprecated, its end is not known{instead}")
        promised = self.price_at_least_until
        if promised is not None and end_s > unix_s(promised):
            day = moment_text(promised)
            found.append(f"the price of {offer} is promised until {day}; later ones are not known")
        least = self.at_least_until if self.ends is None else None
        if least is not None and end_s > unix_s(least):
            found.append(f"{offer} is promised until {moment_text(least)} and no longer")
        return found


NOTHING_KNOWN = Lifetime()
