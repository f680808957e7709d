"""Which deployments of a study a command is about."""

from simulator.analysis.study.options import SelfHostOption
from simulator.analysis.study.study import Study
from simulator.errors import InputError, nearest


def self_hosted_options(study: Study, only: str | None) -> list[SelfHostOption]:
    """Return the selfhost options of a study, candidates of choices among them, or a single one.

    Raises
    ------
    InputError
        When there is none, or none of that name.
    """
    parts = [part for option in study.options for part in option.parts if part.owns_only]
    found = {part.own.name: part.own for part in parts if part.own is not None}
    if not found:
        raise InputError("no selfhost option in the scenario")
    if only is None:
        return list(found.values())
    if only not in found:
        raise InputError(f"--option: {only!r} is no selfhost option{nearest(only, list(found))}")
    return [found[only]]
