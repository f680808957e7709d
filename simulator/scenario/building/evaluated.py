"""Success rates and verbosity of options, from the evaluations that a scenario names."""

from functools import partial

import numpy as np

from simulator.analysis.quality.quality import Score, scores
from simulator.errors import InputError
from simulator.scenario.document.document import Document
from simulator.scenario.schema import scenario as schema
from simulator.scenario.tables.leaderboard import find_model, read_results, shipped_results


def evaluated(scenario: schema.Scenario, document: Document) -> schema.Scenario:
    """Return a scenario whose options have what their models' evaluations say of them.

    What an option says itself stays.

    Raises
    ------
    InputError
        At the place of a file that cannot be read, a model that is not in it, or a model that is
        named without a file.
    """
    asking = {
        name: getattr(option, "evaluated_as", None) for name, option in scenario.options.items()
    }
    if not any(asking.values()):
        return scenario
    quality = scenario.quality
    if quality is None or quality.evaluations is None:
        name = next(n for n, model in asking.items() if model)
        raise document.fail(("options", name, "evaluated_as"), "needs quality.evaluations")
    said, reference = quality.evaluations, quality.reference
    path = (
        said if said in shipped_results() else str(document.file(("quality", "evaluations"), said))
    )
    found = document.made(
        ("quality", "evaluations"), lambda: {s.model: s for s in scores(read_results(path))}
    )
    usual = None
    if reference is not None:
        usual = document.made(("quality", "reference"), partial(_score, found, reference))
    options = dict(scenario.options)
    for name, model in asking.items():
        if model is not None:
            place = ("options", name, "evaluated_as")
            score = document.made(place, partial(_score, found, model))
            option = options[name]
            options[name] = option.model_copy(update=_told(option, score, usual))
    return scenario.model_copy(update={"options": options})


def _score(found: dict[str, Score], text: str) -> Score:
    return found[find_model(text, list(found))]


def _told(option: schema.Option, score: Score, usual: Score | None) -> dict[str, float]:
    """What an evaluation says that the option does not."""
    told: dict[str, float] = {}
    if getattr(option, "success_rate", None) is None:
        told["success_rate"] = score.success.value
    if usual is not None and getattr(option, "output_factor", None) == 1.0:
        factor = score.output_tok / usual.output_tok
        if not np.isfinite(factor) or factor <= 0:
            raise InputError(f"no output tokens of {score.model} or {usual.model} are known")
        told["output_factor"] = float(factor)
    return told
