"""``breakeven new`` and ``breakeven report``: start a scenario, and redraw a finished run."""

import os
from pathlib import Path
from typing import Annotated

import typer

from simulator.cli.common import completion, print_notes
from simulator.cli.dialog import Dialog, Question
from simulator.files.numbers import number_or_nan

DEFAULT_FILE = Path("scenario.yaml")
PRESETS = (
    "agent_small, agentic_coding, batch, chat, chat_long_context, classification, "
    "code_completion, embedding, long_document, rag, reasoning"
)
"""Names of the presets for the help, which must not take the time of reading them."""


def new(
    target: Annotated[
        Path, typer.Argument(metavar="[FILE.yaml]", help="Scenario file to write.")
    ] = DEFAULT_FILE,
    offers: Annotated[
        list[str] | None,
        typer.Option(
            "--offer",
            metavar="PROVIDER/MODEL",
            help="API offer to compare; repeatable.",
            autocompletion=completion("offer_names"),
        ),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="Model to self-host, see `breakeven models list`; repeatable.",
            autocompletion=completion("model_names"),
        ),
    ] = None,
    gpus: Annotated[
        list[str] | None,
        typer.Option(
            "--gpu",
            metavar="NAME",
            help="Accelerator to host it on, see `breakeven hardware list`; repeatable. Every "
            "model is compared on every accelerator on which it fits.",
            autocompletion=completion("accelerator_names"),
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"Traffic preset to generate: {PRESETS}.",
            autocompletion=completion("preset_names"),
        ),
    ] = None,
    requests_per_month: Annotated[
        str | None,
        typer.Option(metavar="VOLUME", help="Volume of the preset, such as 10M or 3.2/s."),
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option(metavar="LOG", help="Replay this request log instead of a preset."),
    ] = None,
    usage: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="Fit the traffic to a usage export, a log, or a Prometheus server's metrics.",
        ),
    ] = None,
    mean_input_tokens: Annotated[
        str | None,
        typer.Option(
            metavar="TOKENS", help="Mean prompt, for a usage export that counts no calls."
        ),
    ] = None,
    input_tokens: Annotated[
        str | None,
        typer.Option(metavar="TOKENS", help="Mean prompt instead of a preset, such as 2200."),
    ] = None,
    output_tokens: Annotated[
        str | None, typer.Option(metavar="TOKENS", help="Mean answer, such as 280.")
    ] = None,
    shared_prompt: Annotated[
        str | None,
        typer.Option(
            metavar="TOKENS|SHARE", help="Beginning that all prompts share: 1320, or 60%."
        ),
    ] = None,
    cached_share: Annotated[
        str | None,
        typer.Option(metavar="SHARE", help="Share of prompt tokens that are cached, such as 40%."),
    ] = None,
    ttft: Annotated[
        str | None, typer.Option(metavar="TIME", help="Target for the first token, such as 2s.")
    ] = None,
    tpot: Annotated[
        str | None, typer.Option(metavar="TIME", help="Target per further token, such as 60ms.")
    ] = None,
    engineers: Annotated[
        str | None,
        typer.Option(metavar="FTE", help="Engineers that self-hosting needs, such as 0.5."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a commented scenario, and ask for missing values; `?` lists the possible answers."""
    from simulator.library.scenarios import new_scenario

    if os.path.lexists(target) and not force:
        raise typer.BadParameter(f"{target} exists already; --force overwrites it")
    means = _means(input_tokens, output_tokens, shared_prompt, cached_share)
    sources = [n for n, v in (("preset", preset), ("trace", trace), ("usage", usage)) if v]
    if trace is not None and "preset" in sources:
        sources.remove("preset")  # The help of --trace says that the log replaces the preset.
    sources += ["input-tokens"] if means else []
    if len(sources) > 1:
        raise typer.BadParameter(f"give one of {', '.join(f'--{name}' for name in sources)}")
    has_volume = trace is not None or usage is not None
    dialog = Dialog(
        "breakeven new",
        {
            "offer": offers,
            "model": models,
            "gpu": gpus,
            "preset": preset,
            "requests-per-month": None if has_volume else requests_per_month,
            "ttft": ttft,
            "tpot": tpot,
            "engineers": engineers,
        },
        takes_defaults=usage is not None or bool(means),
    )
    written = [str(target)] if target != DEFAULT_FILE else []
    written += ["--trace", str(trace)] if trace is not None else []
    written += ["--usage", usage] if usage is not None else []
    written += [part for key, text in means.items() for part in (_flag(key), text)]
    written += ["--force"] if force else []
    with dialog.kept(written):
        answers = dialog.ask_all(
            _questions(
                has_preset=not (has_volume or means),
                has_volume=has_volume,
                needs_offer=usage is None,
                has_target=bool(ttft or tpot),
            )
        )
        result = new_scenario(
            target,
            offers=answers.get("offer", ()),
            model=answers["model"],
            gpu=answers["gpu"],
            preset=answers.get("preset", [None])[0],
            requests_per_month=answers.get("requests-per-month", [None])[0],
            trace=trace,
            usage=usage,
            mean_input_tokens=mean_input_tokens,
            means=means or None,
            ttft=answers.get("ttft", [None])[0],
            tpot=answers.get("tpot", [None])[0],
            engineers=answers["engineers"][0],
            overwrite=force,
        )
    print_notes(result)


def _means(
    input_tokens: str | None,
    output_tokens: str | None,
    shared_prompt: str | None,
    cached_share: str | None,
) -> dict[str, str]:
    """Return the keys of traffic by means, as they are written."""
    shares = shared_prompt is not None and shared_prompt.strip().endswith("%")
    if not shares and 0 < number_or_nan(shared_prompt) < 1:
        raise typer.BadParameter(
            f"--shared-prompt {shared_prompt} is less than a token; a share has a %, such as 60%"
        )
    shared_key = "shared_prompt_share" if shares else "shared_prompt_tokens"
    given = {
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        shared_key: shared_prompt,
        "cached_share": cached_share,
    }
    means = {key: text for key, text in given.items() if text is not None}
    if means and (input_tokens is None or output_tokens is None):
        raise typer.BadParameter("--input-tokens and --output-tokens go together")
    return means


def _flag(key: str) -> str:
    """Return the flag of a key of traffic by means."""
    return "--shared-prompt" if key.startswith("shared") else f"--{key.replace('_', '-')}"


def _questions(
    *, has_preset: bool, has_volume: bool, needs_offer: bool, has_target: bool
) -> list[Question]:
    """Return the questions for all values, in the order in which they are asked."""
    preset = Question("preset", f"Kind of traffic ({PRESETS})", "chat")
    volume = Question("requests-per-month", "Requests per month (10M, 3.2/s)")
    offer = Question("offer", "API to compare (several with commas)", many=True)
    targets = [
        Question("ttft", "Target for the first token", "2s"),
        Question("tpot", "Target per further token", "60ms"),
    ]
    return [
        *([preset] if has_preset else []),
        *([] if has_volume else [volume]),
        *([offer] if needs_offer else []),
        Question("model", "Model to self-host (several with commas)", "llama-3.3-70b", many=True),
        Question("gpu", "Accelerator to host it on (several with commas)", "h100-sxm", many=True),
        *([] if has_target else targets),
        Question("engineers", "Engineers that self-hosting needs (FTE)", "0.5"),
    ]


def report(
    result: Annotated[
        Path, typer.Argument(metavar="RESULT", help="Output folder of a run, or its result.json.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Folder to write to; default: that of the result."
        ),
    ] = None,
) -> None:
    """Redraw report.html, tables and plots of a finished run."""
    from simulator.library.decisions import redraw_report

    print_notes(redraw_report(result, out))
