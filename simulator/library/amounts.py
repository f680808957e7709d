"""Amounts that a script may give as a number, or as a text with a unit."""


def amount(key: str, value: float | str | None) -> float | None:
    """Return an amount in the unit that a key names, such as ``within_s``; None if it is None.

    Raises
    ------
    InputError
        If a text is no quantity, or its unit does not fit the key.
    """
    if not isinstance(value, str):
        return value
    from simulator.scenario.resolve.quantities import in_unit

    return float(in_unit((key,), value))
