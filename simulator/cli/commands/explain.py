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
    from functools import partial

    from simulator.analysis.commands.explain import explain_options
    from simulator.analysis.sampling.sampler import Sampler
    from simulator.analysis.simulate.evaluate import Evaluator
    from simulator.analysis.study.effort import whole_horizon
    from simulator.report.terminal.explain import explanation_document, print_explanation
    from simulator.scenario.building.study import load_study

    study = load_study(scenario, settings, seed)
    study = whole_horizon(study) if whole else study
    with progress("options") as tell:
        document = explanation_document(
            explain_options(Evaluator(study, 1.0, Sampler(study, careful=True)), tell), study
        )
    rungs = [{"option": o["name"], **rung} for o in document["options"] for rung in o["rungs"]]
    show_result(output, document, rungs, partial(print_explanation, document))
