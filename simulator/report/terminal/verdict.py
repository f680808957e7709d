"""The screens of ``run`` and ``simulate``: at most 25 lines that fit 80 columns."""

import textwrap

from rich.console import Console
from rich.table import Table
from rich.text import Text

from simulator.report.documents.contract import (
    BreakEvenSection,
    EffortSection,
    FlipSection,
    HybridSection,
    OptionDocument,
    OptionsDocument,
    PartSection,
    ResultDocument,
)
from simulator.report.documents.horizon import over_time_text
from simulator.report.documents.tidy import total_usd
from simulator.report.formatting import counted, quantity, seconds, share, usd
from simulator.report.text_tables import add_figures, plain_table

HEADING_WIDTH = 12
CUT_SHARE = 0.01
"""Share of offered requests in flight at the end of the traffic above which they are reported."""
SHOWN_REASONS = 2
"""Rejected candidates whose reasons are printed; the document has all of them."""


def headline(document: ResultDocument) -> str:
    """Return the verdict in one sentence."""
    verdict = document["verdict"]
    text = f"{verdict['winner']} is cheapest"
    if verdict["disqualified"]:
        out = verdict["disqualified"][0]
        text += (
            " of the options that meet the targets "
            f"({out['name']} costs {out['saving']:.0%} less but misses them)"
        )
    if verdict["saving"] is not None:
        text += f": {verdict['saving']:.0%} below {verdict['runner_up']}"
        if verdict["saving_interval"]:
            low, high = verdict["saving_interval"]
            text += f" [{share(low)} to {share(high)}]"
        other = verdict["other_kind"]
        if other is not None and other["name"] != verdict["runner_up"]:
            text += f", {other['saving']:.0%} below {other['name']}"
    text += f", P(best) = {verdict['probability_best']:.2f}"
    if verdict["least_regret"] not in (None, verdict["winner"]):
        text += f"; least regret: {verdict['least_regret']}"
    if verdict["decided_by"]:
        text += f"; this may depend on {' and '.join(verdict['decided_by'])}"
    return text


def option_table(options: list[OptionDocument]) -> Table:
    """Return the table of options, with cost intervals where draws or replications give them."""
    table = plain_table()
    table.add_column("option", overflow="fold")
    intervals = [] if all(o["probability_best"] is None for o in options) else ["90 % interval"]
    if any("replications" in option for option in options):
        intervals = ["95 % interval"]
    figures = ("$/month", *intervals, "$/Mtok", "TTFT p95", "TPOT p95", "SLO", "own")
    add_figures(table, figures)
    for option in options:
        cost = option["cost_usd_per_month"]
        per_mtok = option["usd_per_mtok"]
        span = "-" if cost["low"] is None else f"{quantity(cost['low'])} - {quantity(cost['high'])}"
        table.add_row(
            option["name"],
            usd(total_usd(option)),
            *[span for _ in intervals],
            "-" if per_mtok is None else f"{per_mtok:.3f}",
            seconds(option["ttft_s"]["p95"]),
            seconds(option["tpot_s"]["p95"]),
            Text(share(option["slo_attainment"]), style="" if option["feasible"] else "red"),
            share(option["self_hosted_share"]),
        )
    return table


def print_verdict(document: ResultDocument, console: Console) -> None:
    """Print the verdict screen."""
    _print_fact("VERDICT", headline(document), console)
    console.print()
    console.print(option_table(document["options"]))
    for option in document["options"]:
        _print_option_facts(option, console)
    console.print()
    for heading, text in _verdict_facts(document):
        _print_fact(heading, text, console)


def print_simulation(document: OptionsDocument, console: Console) -> None:
    """Print the options of ``simulate``."""
    console.print(option_table(document["options"]))
    for option in document["options"]:
        _print_option_facts(option, console)
    judged = [o for o in document["options"] if o["usd_per_correct"] is not None]
    if judged:
        _print_fact("CORRECT", ", ".join(map(_correct_text, judged)), console)
    for option in document["options"]:
        if "replications" in option:
            _print_fact("PRECISION", replications_text(option), console)


def replications_text(option: OptionDocument) -> str:
    """Return how precisely replications know an option's cost, as a sentence."""
    cost, replications = option["cost_usd_per_month"], option["replications"]
    mean, low, high = cost["mean"], cost["low"], cost["high"]
    error = "unknown"
    if low is not None and high is not None:
        error = f"{(high - low) / 2 / mean if mean else 0.0:.2%}"
    text = f"{option['name']}: {usd(mean)} $/month +- {error}"
    above = replications["above_cheapest_usd_per_month"]
    if above["mean"]:
        interval = f"[{usd(above['low'])} to {usd(above['high'])}]"
        text += f", {usd(above['mean'])} {interval} above the cheapest"
    text += f"; {replications['count']} replications"
    if replications["reached"]:
        return text
    return f"{text}, precision of {replications['precision']:.2%} not reached"


def _print_option_facts(option: OptionDocument, console: Console) -> None:
    """Print what the table does not show: why an option is infeasible, its parts, its servers."""
    if option["excuse"]:
        _print_fact("INFEASIBLE", f"{option['name']}: {option['excuse']}", console)
        if option["remedies"]:
            ways = "; or ".join(each["text"] for each in option["remedies"])
            _print_fact("REMEDY", f"{option['name']}: {ways}", console)
    if option["collapsed_to"]:
        text = f"{option['name']}: no split pays off; everything goes to {option['collapsed_to']}"
        _print_fact("NO SPLIT", text, console)
    if option["chosen"]:
        _print_fact("CHOSEN", _chosen_text(option), console)
    if len(option["parts"]) > 1:
        parts = "; ".join(map(_part_text, option["parts"]))
        _print_fact("PARTS", f"{option['name']}: {parts}", console)
    requests = option["requests"]
    if requests["in_flight"] > CUT_SHARE * requests["offered"]:
        text = (
            f"{option['name']}: {requests['in_flight']:,} of {requests['offered']:,} requests had "
            "no answer when the traffic ended; latencies exclude them"
        )
        _print_fact("CUT OFF", text, console)
    served = {name: count for name, count in option["served_by"].items() if count}
    if len(served) > 1:
        total = sum(served.values())
        parts = ", ".join(f"{count / total:.0%} {name}" for name, count in served.items())
        _print_fact("SERVED BY", f"{option['name']}: {parts}", console)


def _print_fact(heading: str, text: str, console: Console) -> None:
    """Print a heading, and its text wrapped in the column to the right."""
    lines = textwrap.wrap(text, console.width - HEADING_WIDTH, break_on_hyphens=False)
    console.print(Text(f"{heading:{HEADING_WIDTH}}", style="bold") + Text(lines[0]), soft_wrap=True)
    for line in lines[1:]:
        console.print(" " * HEADING_WIDTH + line, soft_wrap=True, markup=False)


def _verdict_facts(document: ResultDocument) -> list[tuple[str, str]]:
    facts = []
    if document["break_even"]:
        facts.append(("BREAK-EVEN", break_even_text(document["break_even"])))
    judged = [o for o in document["options"] if o["usd_per_correct"] is not None]
    if judged:
        facts.append(("CORRECT", ", ".join(map(_correct_text, judged))))
    if document["over_time"]:
        facts.append(("OVER TIME", over_time_text(document["over_time"])))
    hybrid = document["hybrid"]
    if hybrid:
        facts.append(("SPLIT", split_text(hybrid)))
    if document["drivers"]:
        top = ", ".join(
            f"{d['name']} (by {quantity(d['swing_usd_per_month'])} $/month)"
            for d in document["drivers"][:3]
        )
        facts.append(("DRIVERS", f"the saving varies most with {top}"))
    if document["flips"]:
        facts.append(("CHANGES IF", "; ".join(flip_text(f) for f in document["flips"][:3])))
    prices = counted(len(document["provenance"]["prices"]), "offer")
    facts.append(
        (
            "DATA",
            f"prices as of {document['as_of']} ({prices}); "
            f"seed {document['seed']}; "
            + "; ".join(
                [
                    *document["provenance"]["traffic"].values(),
                    *_sampling_text(document),
                    *_effort_text(document["effort"]),
                ]
            ),
        )
    )
    facts += [("NOTE", note) for note in document["notes"]]
    return facts


def _effort_text(effort: EffortSection) -> list[str]:
    """Return what an answer with less effort left out; empty at full effort."""
    if effort["level"] == effort["of"]:
        return []
    level = f"effort {effort['level']} of {effort['of']}"
    return [f"{level}: {effort['volumes']} volumes, switching values of rates only"]


def _sampling_text(document: ResultDocument) -> list[str]:
    """Return the largest errors of sampled figures; empty where nothing was sampled."""
    samples = [o["sampling"] for o in document["options"]]
    sampled = [sample for sample in samples if sample["windows"] or sample["scale"] < 1]
    if not sampled:
        return []
    cost = [s["cost_error"] for s in sampled if s["cost_error"] is not None]
    attainment = [s["attainment_error"] for s in sampled if s["attainment_error"] is not None]
    cost_error = f"+-{max(cost):.1%}" if cost else "unknown"
    attainment_error = f"+-{100 * max(attainment):.1f} points" if attainment else "unknown"
    spans = max(sample["windows"] for sample in sampled)
    what = f"up to {spans} spans" if spans else "a share of the traffic"
    return [f"{what}: cost {cost_error}, SLO {attainment_error}"]


def _chosen_text(option: OptionDocument) -> str:
    """Return the chosen candidate, and the reasons against some of the others."""
    out = option["rejected"]
    text = f"{option['chosen']}, out of {len(out) + 1} candidates"
    reasons = [f"{r['candidate']}: {r['reason']}" for r in out[:SHOWN_REASONS]]
    return "; not ".join([text, *reasons])


def _part_text(part: PartSection) -> str:
    """Return the workloads, cost and replicas of a part of a composite option."""
    what = f" for {', '.join(part['workloads'])}" if part["workloads"] else ""
    replicas = f", {counted(part['replicas'], 'replica')}" if part["replicas"] else ""
    return f"{part['name']}{what} {usd(part['cost_usd_per_month'])} ${replicas}"


def _correct_text(option: OptionDocument) -> str:
    """Return the cost of an option's correct answers, and their share of all answers."""
    assert option["usd_per_correct"] is not None, "only options that are judged"
    per_thousand = 1000 * option["usd_per_correct"]
    return f"{option['name']} {per_thousand:.3g} $/1000 ({option['success_rate']:.0%} correct)"


def break_even_text(break_even: BreakEvenSection) -> str:
    """Return where self-hosting alone is cheaper than the cheapest API alone, as a sentence."""
    unit, today = break_even["unit"], break_even["current"]
    if break_even["first"] is None:
        low, high = (quantity(end) for end in break_even["scanned"])
        text = f"never between {low} and {high} {unit} (you are at {quantity(today)})"
        miss = break_even["nearest_miss"]
        if miss:
            excess = miss["dearer_share"]
            extra_cost = f"{excess:.0%} more" if excess < 1 else f"{1 + excess:.3g} times as much"
            text += f"; closest at {quantity(miss['at'])}, where it costs {extra_cost}"
        return text
    if break_even["axis"] != "volume":
        return _axis_text(break_even)
    least = break_even["scanned"][0]
    if not break_even["api_meets_targets"]:
        return f"no API meets the targets at any volume of {quantity(least)} {unit} or more"
    low, high = (quantity(v) if v is not None else "beyond" for v in break_even["first_interval"])
    if break_even["first_interval"][0] == least:
        low = f"{quantity(least)} or less"
    if break_even["first"] == least:
        text = f"self-hosting beats the API at {quantity(least)} {unit}, the smallest volume tried"
    else:
        first = quantity(break_even["first"])
        text = f"self-hosting beats the API from {first} {unit} [{low} to {high}]"
    if break_even["permanent"] is None:
        text += ", but not permanently"
    elif break_even["permanent"] != break_even["first"]:
        text += f", permanently from {quantity(break_even['permanent'])}"
    probabilities = break_even["probability_self_host_wins"]
    assert today is not None, "the volume of today is known"
    probability = min(probabilities, key=lambda vp: abs(vp[0] - today))[1]
    text += f"; you are at {quantity(today)}, P(self-hosting cheaper) = {probability:.2f}"
    required, current = break_even["required_load_share"], break_even["current_load_share"]
    if required is None or current is None:
        return text
    return f"{text}; own replicas pay off from {required:.0%} load and get {current:.0%}"


def _axis_text(break_even: BreakEvenSection) -> str:
    """Return the intervals of an axis in which self-hosting is cheaper, as a sentence."""
    low, high = break_even["scanned"]
    parts = []
    for begin, end in break_even["intervals"]:
        if begin == low and end == high:
            parts.append(f"everywhere between {quantity(low)} and {quantity(high)}")
        elif begin == low:
            parts.append(f"below {quantity(end)}")
        elif end == high:
            parts.append(f"above {quantity(begin)}")
        else:
            parts.append(f"between {quantity(begin)} and {quantity(end)}")
    current = break_even["current"]
    today = f"; you are at {quantity(current)}" if current is not None else ""
    return f"self-hosting beats the API at {break_even['axis']} {', '.join(parts)}{today}"


def split_text(hybrid: HybridSection) -> str:
    """Return how the best hybrid splits the work, as a sentence."""
    replicas = counted(hybrid["replicas"], "own replica")
    return f"{hybrid['self_hosted_share']:.0%} of tokens on {replicas}; {hybrid['rule']}"


def flip_text(flip: FlipSection) -> str:
    """Return a switching value: which change makes which other option the cheapest."""
    if flip["value"] is not None:
        direction = "above" if flip["factor"] > 1 else "below"
        limit = f"{flip['value']:,.4g} {flip['unit']}".strip()
        return f"{flip['name']} {direction} {limit} (then {flip['winner']})"
    return f"{flip['name']} {flip['factor'] - 1:+.0%} (then {flip['winner']})"
