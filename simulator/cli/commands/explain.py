"""``breakeven explain``: why a token costs more, or less, than a static calculator states."""

from simulator.cli.common import (
    Output,
    OutputOption,
    ScenarioArgument,
    SeedOption,
    SetOption,
    WholeOption,
    show_result,
)
from simulator.cli.progress import progress


def explain(
    scenario: ScenarioArgument,
    settings: SetOption = None,
    seed: SeedOption = None,
    output: OutputOption = Output.TABLE,
    whole: WholeOption = False,
) -> None:
    """Explain why simulated cost differs from a static calculator's."""
    from simulator.library import simulations
    from simulator.library.scenarios import load_scenario

    loaded = load_scenario(scenario, overrides=settings or (), seed=seed)
    with progress("options") as tell:
        result = simulations.explain(loaded, whole=whole, tell=tell)
    show_result(output, result)
