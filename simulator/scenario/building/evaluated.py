"""Success rates and verbosity of options, from the evaluations that a scenario names."""

from functools import partial

import numpy as np

from simulator.analysis.quality.quality import Score, scores
from simulator.errors import InputError
from simulator.scenario.document.document import Document
from simulator.scenario.schema import scenario as schema
from simulator.scenario.tables.leaderboard import find_model, read_results, shipped_results


def apply_evaluations(scenario: schema.Scenario, document: Document) -> schema.Scenario:
    """Return a scenario whose options have the success rates and verbosity of their evaluations.

    Values that an option states itself are kept.

    Raises
    ------
    InputError
        With the location of a file that cannot be read, a model that the file lacks, or a model
        that is named without a file.
    """
    models = {
        name: getattr(option, "evaluated_as", None) for name, option in scenario.options.items()
    }
    quality = scenario.quality
    if quality is None or quality.evaluations is None:
        name = next(n for n, model in models.items() if model)
        raise document.fail(("options", name, "evaluated_as"), "needs quality.evaluations")
    file, reference = quality.evaluations, quality.reference
    path = (
        file if file in shipped_results() else str(document.file(("quality", "evaluations"), file))
    )
    by_model = document.made(
        ("quality", "evaluations"), lambda: {s.model: s for s in scores(read_results(path))}
    )
    reference_score = None
    if reference is not None:
        reference_score = document.made(
            ("quality", "reference"), partial(_score, by_model, reference)
        )
    options = dict(scenario.options)
    for name, model in models.items():
        if model is not None:
            location = ("options", name, "evaluated_as")
            score = document.made(location, partial(_score, by_model, model))
            option = options[name]
            options[name] = option.model_copy(
                update=_missing_values(option, score, reference_score)
            )
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
