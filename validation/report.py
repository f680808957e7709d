"""Write docs/validation.md, which compares predictions with measured benchmarks.

usage: python validation/report.py DATA [--out docs]
"""

import argparse
import os
import sys
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import live
import matplotlib as mpl
import numpy as np
import studies
from fit import Fit, linearised, shipped_z, thinned
from matplotlib.ticker import PercentFormatter
from points import Measured, errors_of, read_all

from simulator.files.writing import write_files
from simulator.report.charts.plots import PALETTE, STYLE, new_axes

Group = Callable[[Measured], str]


def kind(m: Measured) -> str:
    """Return the class of a point's model and attention."""
    d = m.point.deployment
    if d.spread.data_attention:
        return "fine MoE, attention data-parallel"
    if d.model.experts == 0:
        return "dense"
    return "fine MoE" if d.model.serving_class == "fine_moe" else "coarse MoE"


GROUPS: dict[str, Group] = {
    "class": kind,
    "accelerator": lambda m: m.point.deployment.gpu.name,
    "engine": lambda m: m.point.deployment.engine.name,
    "model": lambda m: m.point.deployment.model.name,
    "load": lambda m: f"{m.point.load.kind}, {_clients(m)}",
    "prompt / output tokens": lambda m: _shape(m),
    "source": lambda m: m.row["source"],
}


def _clients(m: Measured) -> str:
    value = m.point.load.value
    if m.point.load.kind == "offline":
        return "all at once"
    for most in (4, 16, 64, 256):
        if value <= most:
            return f"up to {most}"
    return "above 256"


def _shape(m: Measured) -> str:
    def size(tokens: int) -> str:
        return next((f"<= {most}" for most in (256, 1024, 2048) if tokens <= most), "> 2048")

    return f"{size(m.point.load.prompt_tok)} / {size(m.point.load.output_tok)}"


def table(errors: dict[str, np.ndarray], inside: dict[str, np.ndarray] | None = None) -> str:
    """Markdown rows of error figures by group; errors are logarithms, (n, 3) each."""
    head = ["", "points", "predicted", "throughput", "p90", "bias", "TPOT", "TTFT"]
    rows = []
    for name, logs in errors.items():
        relative = np.expm1(logs)
        count, predicted = len(logs), int(np.isfinite(logs[:, 0]).sum())
        if not predicted:
            rows.append([name, str(count), "0", *["-"] * 5])
            continue
        sizes = np.abs(relative)
        cells = [name, str(count), str(predicted), _share(np.nanmedian(sizes[:, 0]))]
        cells += [
            _share(np.nanquantile(sizes[:, 0], 0.9)),
            f"{np.nanmedian(relative[:, 0]):+.1%}",
        ]
        for column in (1, 2):
            measured = sizes[np.isfinite(sizes[:, column]), column]
            cells.append(_share(np.median(measured)) if measured.size else "-")
        rows.append(cells)
    if inside is not None:
        head.append("in band")
        for cells in rows:
            cells.append(_share(inside[cells[0]].mean()) if inside[cells[0]].size else "-")
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(cells) + " |" for cells in rows)])


def _share(value: float) -> str:
    return f"{value:.1%}"


def by(points: list[Measured], values: np.ndarray, group: Group) -> dict[str, np.ndarray]:
    """Return the values of each group, in the order of names. (n, ...) -> (n_group, ...) each"""
    indices = defaultdict(list)
    for index, m in enumerate(points):
        indices[group(m)].append(index)
    return {name: values[indices[name]] for name in sorted(indices)}


def in_band(points: list[Measured], errors: np.ndarray) -> np.ndarray:
    """Return 1 for measured throughput in the stated band, else 0; NaN without prediction. (n,)"""
    bands = np.array([band(m) for m in points])
    ratio = np.exp(-errors[:, 0])
    inside = ((bands[:, 0] <= ratio) & (ratio <= bands[:, 1])).astype(float)
    inside[np.isnan(ratio)] = np.nan
    return inside


def band(m: Measured) -> tuple[float, float]:
    """Return the stated band of a point, measured over predicted."""
    c, spread = m.point.deployment.coefficients, m.point.spread
    return c.band_low**spread, c.band_high**spread


def plots(points: list[Measured], errors: np.ndarray, folder: Path) -> None:
    """Plot predicted against measured throughput, and errors by concurrency."""
    with mpl.rc_context(STYLE):
        ax = new_axes(7, 5)
        measured = np.array([m.output_tok_s for m in points])
        groups = by(points, np.stack([measured, errors[:, 0]], axis=1), kind)
        for (name, values), colour in zip(groups.items(), PALETTE, strict=False):
            x, y = values[:, 0], values[:, 0] * np.exp(values[:, 1])
            ax.scatter(x, y, s=6, alpha=0.5, color=colour, label=name, linewidths=0)
        ends = np.array([np.nanmin(measured), np.nanmax(measured)])
        ax.plot(ends, ends, color="0.3", linewidth=0.8)
        ax.set(xscale="log", yscale="log")
        ax.set(xlabel="measured output [tok/s]", ylabel="predicted output [tok/s]")
        ax.legend(markerscale=3)
        ax.figure.savefig(folder / "throughput.png", dpi=110)
        closed = [i for i, m in enumerate(points) if m.point.load.kind == "concurrency"]
        ax = new_axes(7, 4)
        clients = np.array([2 ** round(np.log2(points[i].point.load.value)) for i in closed])
        for column, name in enumerate(("throughput", "TPOT", "TTFT")):
            absolute = np.abs(np.expm1(errors[closed, column]))
            ticks = sorted(set(clients.tolist()))
            medians = [np.nanmedian(absolute[clients == tick]) for tick in ticks]
            ax.plot(ticks, medians, marker="o", color=PALETTE[column], label=name)
        ax.set(xscale="log", xlabel="concurrent clients", ylabel="median absolute error")
        ax.set_xticks(ticks, [str(tick) for tick in ticks])
        ax.yaxis.set_major_formatter(PercentFormatter(1))
        ax.set_ylim(bottom=0)
        ax.legend()
        ax.figure.savefig(folder / "concurrency.png", dpi=110)


def finite(inside: np.ndarray) -> np.ndarray:
    """Return the values of the points that have a prediction."""
    return inside[np.isfinite(inside)]


def _under_load(points: list[Measured], errors: np.ndarray, kv: list[tuple[str, int, int]]) -> str:
    """Return the section on open loops, logged requests and KV blocks, as Markdown."""
    lines = [LIVE, table(live.regimes(points, errors)), "", LOGGED, "| run | E2E | TPOT | TTFT |"]
    lines.append("|---|---|---|---|")
    for name, figures in live.logged(points):
        cells = [f"{p:.3g} / {m:.3g} s, {p / m - 1:+.1%}" for p, m in figures.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", KV, "| deployment | predicted | logged | |", "|---|---|---|---|"]
    lines += [f"| {name} | {p:,} | {m:,} | {p / m - 1:+.1%} |" for name, p, m in kv]
    return "\n".join(lines) + "\n"


def document(
    points: list[Measured],
    errors: np.ndarray,
    fitted: Fit,
    kv: list[tuple[str, int, int]],
    pool: ProcessPoolExecutor,
) -> str:
    """Return the report as Markdown."""
    current = [m.is_fitted for m in points]
    recent = [m for m, use in zip(points, current, strict=True) if use]
    recent_errors = errors[current]
    inside = in_band(recent, recent_errors)
    early = [m for m, use in zip(points, current, strict=True) if not use]
    early_errors = errors[[not use for use in current]]
    sections = [INTRODUCTION, _under_load(points, errors, kv)]
    for name, group in GROUPS.items():
        coverage = {g: finite(v) for g, v in by(recent, inside, group).items()}
        sections.append(f"### By {name}\n\n{table(by(recent, recent_errors, group), coverage)}\n")
    coverage = by(early, in_band(early, early_errors), GROUPS["engine"])
    coverage = {g: finite(v) for g, v in coverage.items()}
    sections.append(f"{EARLY}\n{table(by(early, early_errors, GROUPS['engine']), coverage)}\n")
    cross = {
        "all points fitted": fitted.errors,
        "deployment left out (five folds)": studies.left_out(fitted, studies.fold, pool),
        "model left out": studies.left_out(fitted, GROUPS["model"], pool),
        "accelerator left out": studies.left_out(fitted, GROUPS["accelerator"], pool),
        "source left out": studies.left_out(fitted, GROUPS["source"], pool),
    }
    for kind_name in ("dense", "fine MoE"):
        chosen = np.array([kind(m) == kind_name for m in fitted.points])
        part = {name: values[chosen] for name, values in cross.items()}
        part_points = [m for m, use in zip(fitted.points, chosen, strict=True) if use]
        coverage = {name: finite(in_band(part_points, values)) for name, values in part.items()}
        intro = CROSS if kind_name == "dense" else ""
        sections.append(f"{intro}\n### {kind_name}\n\n{table(part, coverage)}\n")
    closed = [m for m in recent if m.point.load.kind == "concurrency"]
    own = {
        "scale from one point": studies.single(closed, pool),
        "half of the points": studies.halves(closed, pool),
        "lengths not seen": studies.shapes(closed, pool),
    }
    sections.append(f"{OWN}\n{table(own)}\n")
    return "\n".join(sections)


INTRODUCTION = """# How accurate predictions are

Written by `python validation/report.py DATA`; do not edit. Points: public benchmark rows compiled
on 2026-11-23 and 2026-11-27 (AIC silicon data and TensorRT-LLM documentation, Apache-2.0;
InferenceMAX and InferenceX by SemiAnalysis; Argonne LLM-Inference-Bench, BSD-3; Splitwise, MIT;
MLPerf v4.1; vllm-cost-meter, MIT; gpustack's performance lab, Apache-2.0; LLMServingSim, MIT;
inference-sim, Apache-2.0), without repetitions. Every point is simulated from an empty start to its
last token by the engine that simulates scenarios. Errors are those of predicted over measured
values, and medians are taken over their absolute values. The column *predicted* counts the points
with a prediction; the others do not fit into memory, are starved of KV memory, or have an unknown
name. *In band* is the share of points with a measured throughput within the stated band of nine in
ten.

Coefficients are fitted by `validation/fit.py`, with Gauss-Newton and log-normal priors, to at most
six points of a deployment and source; a deployment weighs as the root of their number. The
[last section](#boundaries) lists what predictions must not be used for.

![predicted and measured throughput](validation/throughput.png)

![error by concurrency](validation/concurrency.png)

## Engines of 2024-11 and later
"""
LIVE = """## Under live load

In open loops, requests arrive at a rate, independently of earlier ones. The regime is the requested
rate over the greatest output that the same source measured for the deployment; TPOT and TTFT are
medians over requests where the source has them.
"""
LOGGED = """### Request by request

Every request of these runs of vLLM 0.19 was logged. The runs are replayed with the computed size of
the KV cache; the table shows predicted over measured means.
"""
KV = """### KV blocks

The logged numbers are those that vLLM prints at its start. vLLM keeps Llama 4's layers with chunked
attention whole; it is not known what else takes its memory.
"""
EARLY = """## Static batches on engines of 2024 and earlier

These engines were not fitted: they have maturities of the study of 2026-11-23, and wide bands.
"""
CROSS = """## How well the fit generalises

Whole deployments, models, accelerators or sources are left out of the fit and predicted. The
coefficients without a group's points come from two Gauss-Newton steps from those of all points; the
group's benchmarks are then simulated exactly.
"""
OWN = """## Calibrated on own benchmarks

`breakeven calibrate` is applied to each run (one deployment, engine version and source, six points
or more) and predicts the points that it has not used.
"""
LIMITS = """## Boundaries

Predictions must not be used for the following without a calibration or a measurement of your own:

* **Latencies near saturation.** Between 70 and 100 % of its capacity a server's times grow without
  bound: 3 % of the step time are 30 % of TPOT, and an error of the capacity is multiplied in the
  latency. Use figures below saturation, or calibrate.
* **Starved caches.** With less than a tenth of the memory left for KV, a percent of the weights is
  a tenth of the cache; `bench` reports `kv_starved` and no figure.
* **Untuned kernels.** GLM-4.5-Air and Qwen3-235B in bf16 on A100 run 1.4 to 1.9 times
  slower under vLLM 0.11 than predicted, and as predicted under SGLang on the same machine.
* **Hosts.** Step times include a host of the same years as the card. A slow or shared host, a
  proxy, a tokeniser in the server's own process, or thousands of short requests per second are not
  included.
* **Incomplete records.** Some deployments have two records 1.5 to 2.3 times apart, because of
  speculation or cached prompts that the records do not mention. They remain in the tables above,
  and hardly count in the fit.
* **Versions.** Versions of one engine differ by a median of a tenth on the same deployment, at
  times by half. The coefficients are not those of a particular version.
* **First requests.** Kernels are compiled and graphs captured during the first requests after a
  start, so that means of TTFT can be several seconds with medians of a tenth of that.
* **Attention data-parallel under TensorRT-LLM** waits up to 50 steps for balanced batches.
* **Speculation** without a measured acceptance: the default comes from one model and random tokens.
* **Wide expert parallelism across nodes, separate pools in `bench`, LoRA, images and audio**: not
  modelled.
* **Accelerators without a row above** (MI250, Gaudi, PVC, TPU, Trainium, B300, H100 NVL, GH200):
  they have priors, with bands that are wide accordingly.
* **Static batches, and engines of 2024 and before**: the order of magnitude only.
"""


def main() -> None:
    """Simulate every point, study the fit, and write the report and its plots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs"))
    arguments = parser.parse_args()
    points = read_all(arguments.data)
    kv = live.kv_blocks(arguments.data / "kv_blocks.csv")
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        errors = errors_of(points, pool)
        modern = thinned([m for m in points if m.is_fitted])
        fitted = linearised(modern, shipped_z(), pool)
        text = document(points, errors, fitted, kv, pool) + "\n" + LIMITS
    folder = arguments.out / "validation"
    folder.mkdir(parents=True, exist_ok=True)
    chosen = [m.is_fitted for m in points]
    plots([m for m, use in zip(points, chosen, strict=True) if use], errors[chosen], folder)
    write_files(arguments.out, {"validation.md": text})
    sys.stdout.write(f"{arguments.out / 'validation.md'}: {len(points)} points\n")


if __name__ == "__main__":
    main()
