"""Documents and tables of ``quality``: the cost of a correct answer."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from simulator.analysis.quality.agents import AgentChain, ChainResult
from simulator.analysis.quality.comparison import Comparison
from simulator.analysis.quality.quality import (
    Figure,
    Score,
    SuccessTable,
    TaskRuns,
    cheapest_first,
    scores,
)
from simulator.report.documents.values import finite_or_none
from simulator.report.formatting import digits, quantity
from simulator.report.text_tables import add_figures, plain_table

Document = dict[str, Any]


def results_document(results: TaskRuns | SuccessTable, name: str) -> Document:
    """Return the scores of all models, cheapest per correct answer first; null if unknown."""
    about = {"source": "", "licence": "", "as_of": ""}
    if isinstance(results, SuccessTable):
        about = {name: getattr(results, name) for name in about}
    models = [_score(score) for score in cheapest_first(scores(results))]
    return {"results": name, **about, "models": models}


def _score(score: Score) -> Document:
    return {
        "model": score.model,
        "tasks": score.tasks,
        "success": _figure(score.success),
        "first_try_success": finite_or_none(score.first_try),
        "input_tokens_per_task": finite_or_none(score.input_tok),
        "output_tokens_per_task": finite_or_none(score.output_tok),
        "reasoning_tokens_per_task": finite_or_none(score.reasoning_tok),
        "cached_tokens_per_task": finite_or_none(score.cached_tok),
        "usd_per_task": finite_or_none(score.usd),
        "seconds_per_task": finite_or_none(score.seconds),
        "usd_per_correct": _figure(score.usd_per_correct),
    }


def comparison_document(comparison: Comparison) -> Document:
    """Return a comparison; differences are B minus A, null if unknown."""
    fit = comparison.correlation
    return {
        "a": _score(comparison.first),
        "b": _score(comparison.second),
        "tasks": comparison.tasks,
        "paired": "as logged" in comparison.cascades,
        "success_difference": _figure(comparison.success_difference),
        "usd_per_correct_difference": _figure(comparison.usd_per_correct_difference),
        "output_tokens_ratio": _figure(comparison.verbosity),
        "solved_by_only": None if comparison.discordant is None else list(comparison.discordant),
        "mcnemar_p": finite_or_none(comparison.p_value),
        "difficulty_correlation": None
        if fit is None
        else _figure(Figure(fit.correlation, fit.low, fit.high)),
        "cascade": {
            name: {
                "success": cascade.success,
                "calls_of_b": cascade.second_calls,
                "usd_per_task": finite_or_none(cascade.usd),
                "usd_per_correct": finite_or_none(cascade.usd_per_correct),
            }
            for name, cascade in comparison.cascades.items()
        },
    }


def chain_document(chain: AgentChain, result: ChainResult, step_usd: float | None) -> Document:
    """Return what retries and failed runs add to a correct run; null if unbounded."""
    return {
        "steps": chain.steps,
        "step_success": chain.step_success,
        "restart": chain.restart.value,
        "attempts": chain.attempts,
        "correlation": chain.correlation,
        "success": result.success,
        "success_without_retries": chain.step_success**chain.steps,
        "steps_per_run": finite_or_none(result.steps),
        "steps_per_correct": finite_or_none(result.steps_per_correct),
        "retry_steps_per_correct": finite_or_none(result.retry_steps_per_correct),
        "failed_steps_per_correct": finite_or_none(result.failed_steps_per_correct),
        "overhead": finite_or_none(result.steps_per_correct / chain.steps - 1.0),
        "usd_per_correct": None
        if step_usd is None
        else finite_or_none(result.usd_per_correct(step_usd)),
    }


def _figure(figure: Figure) -> Document:
    return {name: finite_or_none(getattr(figure, name)) for name in ("value", "low", "high")}


def print_results(document: Document, console: Console) -> None:
    """Print one row for each model."""
    headings = ("tasks", "success", "95 %", "in", "out", "$/task", "$/correct", "s")
    table = _table("model", headings, gap=1)
    for row in document["models"]:
        success = row["success"]
        table.add_row(
            escape(row["model"]),
            f"{row['tasks']:,}",
            f"{success['value']:.1%}",
            f"{success['low'] * 100:.0f}-{success['high']:.0%}",
            quantity(row["input_tokens_per_task"]),
            quantity(row["output_tokens_per_task"]),
            _usd(row["usd_per_task"]),
            _usd(row["usd_per_correct"]["value"]),
            digits(row["seconds_per_task"], 4),
        )
    console.print(table)
    console.print("in, out, s: tokens and seconds per task; costs include failures; -: unknown")
    if document["source"]:
        parts = (document["source"], f"as of {document['as_of']}", document["licence"])
        console.print("; ".join(filter(None, parts)), markup=False, soft_wrap=True)


def print_comparison(document: Document, console: Console) -> None:
    """Print two models side by side, their differences, and cascades of the two."""
    a, b = document["a"], document["b"]
    console.print(f"A {a['model']}\nB {b['model']}", markup=False, style="bold", soft_wrap=True)
    how = "the same tasks, paired" if document["paired"] else "published figures, unpaired"
    console.print(f"{document['tasks']:,} tasks: {how}\n")
    table = _table("", ("A", "B", "B minus A", "95 %"))
    difference, cost = document["success_difference"], document["usd_per_correct_difference"]
    table.add_row(
        "success", f"{a['success']['value']:.1%}", f"{b['success']['value']:.1%}",
        f"{difference['value']:+.1%}", _interval(difference, lambda x: f"{x:+.1%}"),
    )  # fmt: skip
    table.add_row("$/task", _usd(a["usd_per_task"]), _usd(b["usd_per_task"]), "", "")
    table.add_row(
        "$/correct", _usd(a["usd_per_correct"]["value"]), _usd(b["usd_per_correct"]["value"]),
        _usd(cost["value"], "+"), _interval(cost, lambda x: _usd(x, "+")),
    )  # fmt: skip
    ratio = document["output_tokens_ratio"]
    table.add_row(
        "output tokens", quantity(a["output_tokens_per_task"]),
        quantity(b["output_tokens_per_task"]),
        "-" if ratio["value"] is None else f"x {ratio['value']:.2f}",
        _interval(ratio, lambda x: f"x {x:.2f}"),
    )  # fmt: skip
    seconds = (digits(each["seconds_per_task"], 4) for each in (a, b))
    table.add_row("s/task", *seconds, "", "")
    console.print(table)
    _print_pairs(document, console)
    _print_cascades(document, console)


def _print_pairs(document: Document, console: Console) -> None:
    if document["solved_by_only"]:
        only_a, only_b = document["solved_by_only"]
        console.print(
            f"\nonly A solves {only_a:,}, only B {only_b:,}; equal success rates: "
            f"p = {document['mcnemar_p']:.3g} (McNemar)"
        )
    fit = document["difficulty_correlation"]
    if fit:
        interval = _interval(fit, lambda x: f"{x:.2f}")
        console.print(f"shared difficulty: correlation {fit['value']:.2f} {interval}")


def _print_cascades(document: Document, console: Console) -> None:
    console.print("\ncascade: A, then B for answers of A that are rejected")
    table = _table("", ("success", "B calls", "$/task", "$/correct"))
    for name, row in document["cascade"].items():
        table.add_row(
            name,
            f"{row['success']:.1%}",
            f"{row['calls_of_b']:.3f}",
            _usd(row["usd_per_task"]),
            _usd(row["usd_per_correct"]),
        )
    console.print(table)


def print_chain(document: Document, console: Console) -> None:
    """Print what retries and failed runs add to a correct run."""
    most = document["attempts"]
    limit = "attempts: unlimited" if most is None else f"attempts: at most {most}"
    console.print(
        f"{document['steps']} steps, success of each {document['step_success']:.4g}; "
        f"a failure repeats the {document['restart']}; {limit}"
    )
    least = document["steps"]
    rows = (
        ("correct runs", f"{document['success']:.1%}"),
        ("without retries", f"{document['success_without_retries']:.1%}"),
        ("steps per correct run", digits(document["steps_per_correct"], 4)),
        ("  without failure", f"{least}"),
        ("  + retries", _added_steps(document["retry_steps_per_correct"], least)),
        ("  + failed runs", _added_steps(document["failed_steps_per_correct"], least)),
    )
    for heading, text in rows:
        console.print(f"{heading:26}{text}")
    if document["usd_per_correct"] is not None:
        console.print(f"{'$ per correct run':26}{_usd(document['usd_per_correct'])}")


def _added_steps(steps: float | None, least: int) -> str:
    return "unbounded" if steps is None else f"{round(steps, 9):.4g} ({steps / least:+.0%})"


def _table(first: str, headings: tuple[str, ...], gap: int = 2) -> Table:
    table = plain_table(gap)
    table.add_column(first, overflow="fold")
    add_figures(table, headings)
    return table


def _usd(value: float | None, sign: str = "") -> str:
    return digits(value, 3, sign)


def _interval(figure: Document, show: Any) -> str:
    if figure["low"] is None or figure["high"] is None:
        return ""
    return f"[{show(figure['low'])} to {show(figure['high'])}]"
