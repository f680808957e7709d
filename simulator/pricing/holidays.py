"""Public holidays on which peak prices do not apply."""

from datetime import date, timedelta

# Notice of China's State Council on the holidays of 2026, November 2025, gov.cn content_7047090
# (taken from model-prices 0.0.5, which lists the same days). The notice on 2027 was not found.
_CHINA_SPANS = (
    (date(2026, 1, 1), 3),
    (date(2026, 2, 15), 9),
    (date(2026, 4, 4), 3),
    (date(2026, 5, 1), 5),
    (date(2026, 6, 19), 3),
    (date(2026, 9, 25), 3),
    (date(2026, 10, 1), 7),
)

CALENDARS: dict[str, frozenset[date]] = {
    "china": frozenset(
        first + timedelta(days=day) for first, days in _CHINA_SPANS for day in range(days)
    )
}
KNOWN_UNTIL: dict[str, date] = {"china": date(2027, 1, 1)}
"""First day that a calendar does not cover; from then on every weekday has peak prices."""
