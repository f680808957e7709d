"""Public holidays on which peak prices do not hold."""

from datetime import date, timedelta

# China's State Council notice on 2026; recalled, not read again. Days of other years are unknown:
# peak prices are then charged on every weekday, which is never too little.
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
