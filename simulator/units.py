"""Units: seconds, tokens and US dollars as float64; a month is 730 hours by convention."""

MINUTE_S = 60.0
HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
WEEK_S = 7 * DAY_S
MONTH_HOURS = 730.0
MONTH_S = MONTH_HOURS * HOUR_S
MTOK = 1e6
