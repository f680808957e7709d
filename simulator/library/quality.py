"""The cost of correct answers: of models, of cascades and of agent runs."""

from functools import partial
from typing import Literal

from simulator.library.results import Result


def model_quality(results: str = "aider") -> Result:
    """List models by their cost per correct answer.

    Parameters
    ----------
    results : str
        File of runs (CSV, JSON lines) or of a leaderboard (YAML, CSV), or the shipped ``aider``.
    """
    from simulator.report.terminal.quality import print_results, results_document
    from simulator.scenario.tables.leaderboard import read_results

    document = results_document(read_results(results), results)
    return Result(document, document["models"], printer=partial(print_results, document))


def compare_models(results: str, a: str, b: str, *, seed: int = 0) -> Result:
    """Compare two models on the same tasks, and cascades of the two.

    Parameters
    ----------
    results : str
        See ``model_quality``.
    a, b : str
        Names of the models, or unique parts of their names.
    seed : int
        Seed of the resampled intervals.
    """
    from simulator.analysis.quality.comparison import compare
    from simulator.report.terminal.quality import comparison_document, print_comparison
    from simulator.scenario.tables.leaderboard import find_model, read_results

    table = read_results(results)
    comparison = compare(table, find_model(a, table.models), find_model(b, table.models), seed)
    document = comparison_document(comparison)
    return Result(document, [document], printer=partial(print_comparison, document))


def agent_chain(
    steps: int,
    step_success: float,
    *,
    restart: Literal["step", "run"] = "step",
    attempts: int | None = None,
    correlation: float = 0.0,
    step_usd: float | None = None,
) -> Result:
    """Compute what retries and failed runs add to a correct run of agent steps.

    Parameters
    ----------
    steps : int
        Steps of a run without failures.
    step_success : float
        Probability that a step succeeds.
    restart : str
        Unit that is repeated when a step fails.
    attempts : int, optional
        Most attempts of each step, or of the run; default: no limit.
    correlation : float
        Correlation of difficulty between attempts of a task.
    step_usd : float, optional
        Mean cost of a step [USD].
    """
    from simulator.analysis.quality.agents import AgentChain, Restart, expected_run
    from simulator.report.terminal.quality import chain_document, print_chain

    agent = AgentChain(steps, step_success, Restart(restart), attempts, correlation)
    document = chain_document(agent, expected_run(agent), step_usd)
    return Result(document, [document], printer=partial(print_chain, document))
