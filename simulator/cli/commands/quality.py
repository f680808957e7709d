"""``breakeven quality``: the cost of a correct answer, for models, cascades and agent runs."""

from typing import Annotated, Literal

import typer

from simulator.cli.common import Output, OutputOption, show_result

app = typer.Typer(
    help="Compute the cost of a correct answer.",
    no_args_is_help=True,
)

ResultsArgument = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="Runs (CSV, JSON lines), a leaderboard (YAML, CSV), or the shipped `aider`.",
    ),
]


@app.command()
def show(results: ResultsArgument = "aider", output: OutputOption = Output.TABLE) -> None:
    """List models by their cost per correct answer."""
    from simulator.library.quality import model_quality

    show_result(output, model_quality(results))


@app.command()
def compare(
    results: ResultsArgument,
    a: Annotated[
        str, typer.Argument(metavar="A", help="Model, by its name or a unique part of it.")
    ],
    b: Annotated[str, typer.Argument(metavar="B", help="Model to compare it with.")],
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the random numbers.")] = 0,
    output: OutputOption = Output.TABLE,
) -> None:
    """Compare two models on the same tasks, and cascades of the two."""
    from simulator.library.quality import compare_models

    show_result(output, compare_models(results, a, b, seed=seed))


@app.command()
def chain(
    steps: Annotated[int, typer.Option(min=1, help="Steps of a run without failures.")],
    step_success: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Probability that a step succeeds.")
    ],
    restart: Annotated[
        Literal["step", "run"], typer.Option(help="What is repeated when a step fails.")
    ] = "step",
    attempts: Annotated[
        int | None,
        typer.Option(min=1, help="Most attempts of each step, or of the run."),
    ] = None,
    correlation: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, help="Correlation of difficulty between attempts of a task."
        ),
    ] = 0.0,
    step_usd: Annotated[
        float | None, typer.Option(min=0.0, metavar="USD", help="Mean cost of a step.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Compute what retries and failed runs add to a correct agent run."""
    from simulator.library.quality import agent_chain

    result = agent_chain(
        steps,
        step_success,
        restart=restart,
        attempts=attempts,
        correlation=correlation,
        step_usd=step_usd,
    )
    show_result(output, result)
