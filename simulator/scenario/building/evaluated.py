"""Success rates and verbosity of options, from the evaluations that a scenario names."""

from functools import partial

import numpy as np

from simulator.analysis.quality.quality import Score, scores
from simulator.errors import Faults, InputError
from simulator.scenario.document.document import Document
from simulator.scenario.schema import scenario as schema
from simulator.scenario.tables.leaderboard import find_model, read_results, shipped_results


def apply_evaluations(
    scenario: schema.Scenario, document: Document, faults: Faults
) -> schema.Scenario:
    """Return a scenario whose options have the success rates and verbosity of their evaluations.

    Values that an option states itself are kept. A file that cannot be read, a model that the file
    lacks, and a model that is named without a file are noted.
    """
    models = {
        name: model
        for name, option in scenario.options.items()
        if (model := getattr(option, "evaluated_as", None)) is not None
    }
    quality = scenario.quality
    if quality is None or quality.evaluations is None:
        for name in models:
            at = ("options", name, "evaluated_as")
            faults.add(document.fail(at, "needs quality.evaluations"))
        return scenario
    file, reference = quality.evaluations, quality.reference
    path = (
        file if file in shipped_results() else str(document.file(("quality", "evaluations"), file))
    )
    by_model = faults.attempt(
        lambda: document.made(
            ("quality", "evaluations"), lambda: {s.model: s for s in scores(read_results(path))}
        )
    )
    if by_model is None:
        return scenario
    reference_score = None
    if reference is not None:
        with faults.collected():
            reference_score = document.made(
                ("quality", "reference"), partial(_score, by_model, reference)
            )
    options = dict(scenario.options)
    for name, model in models.items():
        at = ("options", name, "evaluated_as")
        with faults.collected():
            score = document.made(at, partial(_score, by_model, model))
            update = _missing_values(options[name], score, reference_score)
            options[name] = options[name].model_copy(update=update)
    return scenario.model_copy(update={"options": options})


def _score(by_model: dict[str, Score], text: str) -> Score:
    """Return the score of the model that a text names."""
    return by_model[find_model(text, list(by_model))]


def _missing_values(
    option: schema.Option, score: Score, reference: Score | None
) -> dict[str, float]:
    """Return the values of an evaluation that the option does not state itself."""
    values: dict[str, float] = {}
    if getattr(option, "success_rate", None) is None:
        values["success_rate"] = score.success.value
    if reference is not None and getattr(option, "output_factor", None) == 1.0:
        factor = score.output_tok / reference.output_tok
        if not np.isfinite(factor) or factor <= 0:
            raise InputError(f"the output tokens of {score.model} or {reference.model} are unknown")
        values["output_factor"] = float(factor)
    return values
