"""The deployments of a study that a command is about."""

from simulator.analysis.study.options import SelfHostOption
from simulator.analysis.study.study import Study
from simulator.errors import InputError, nearest


def self_hosted_options(study: Study, only: str | None) -> list[SelfHostOption]:
    """Return all self-hosted options of a study, including candidates of choices, or a single one.

    Raises
    ------
    InputError
        When there is none, or none of that name.
    """
    parts = [part for option in study.options for part in option.parts if part.owns_only]
    deployments = {part.own.name: part.own for part in parts if part.own is not None}
    if not deployments:
        raise InputError("no selfhost option in the scenario")
    if only is None:
        return list(deployments.values())
    if only not in deployments:
        hint = nearest(only, list(deployments))
        raise InputError(f"--option: {only!r} is no selfhost option{hint}")
    return [deployments[only]]
