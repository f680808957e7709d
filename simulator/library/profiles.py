"""The shipped profiles of accelerators and models."""

from functools import partial
from typing import TYPE_CHECKING

from simulator.library.results import Result

if TYPE_CHECKING:
    from rich.console import Console


def list_accelerators() -> Result:
    """List accelerators and appliances with memory, peak rates and rent."""
    return _profiles(("accelerators", "appliances"))


def list_models() -> Result:
    """List models with size, context window and KV heads."""
    return _profiles(("models",))


def show_accelerator(name: str) -> Result:
    """Return all figures of an accelerator or appliance, with their source.

    Raises
    ------
    InputError
        If the name is unknown.
    """
    from simulator.scenario.catalog.profiles import profile_names

    return _profile("appliances" if name in profile_names("appliances") else "accelerators", name)


def show_model(name: str) -> Result:
    """Return the architecture of a model, with its source.

    Raises
    ------
    InputError
        If the name is unknown.
    """
    return _profile("models", name)


def _profiles(kinds: tuple[str, ...]) -> Result:
    from simulator.report.terminal.profiles import print_profiles
    from simulator.scenario.catalog.profiles import profile_document, profile_names

    by_kind = {k: {name: profile_document(k, name) for name in profile_names(k)} for k in kinds}
    rows = [
        {"kind": kind, "name": name, **profile}
        for kind, profiles in by_kind.items()
        for name, profile in profiles.items()
    ]

    def print_all(console: "Console") -> None:
        for kind, profiles in by_kind.items():
            print_profiles(kind, profiles, console)

    return Result(by_kind, rows, printer=print_all)


def _profile(kind: str, name: str) -> Result:
    from simulator.report.terminal.profiles import print_profile
    from simulator.scenario.catalog.profiles import profile_document

    profile = profile_document(kind, name)
    row = {"name": name, **profile}
    return Result(profile, [row], printer=partial(print_profile, name, profile))
