"""The verdict screen: at most 25 lines that fit 80 columns."""

import textwrap
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from simulator.report.documents.horizon import over_time_text
from simulator.report.documents.tidy import total_usd
from simulator.report.formatting import quantity, seconds, share, usd
from simulator.report.text_tables import plain_table

HEADING_WIDTH = 12
CUT_SHARE = 0.01
"""Of the requests offered, above which it is said that the end of the traffic cut them off."""
SHOWN_REASONS = 2
"""Of candidates that were not chosen; all of them are in the document."""


def headline(document: dict[str, Any]) -> str:
    """Return the verdict in one sentence."""
    verdict = document["verdict"]
    text = f"{verdict['winner']} is cheapest"
    if verdict["disqualified"]:
        out = verdict["disqualified"][0]
        text += f" of what meets the targets ({out['name']} does not, {out['saving']:.0%} below)"
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
        text += f"; it may turn on {' and '.join(verdict['decided_by'])}"
    return text


def option_table(options: list[dict[str, Any]]) -> Table:
    """Return the table of options; ranges of costs only where something was drawn or repeated."""
    table = plain_table()
    table.add_column("option", overflow="fold")
    ranges = [] if all(o["probability_best"] is None for o in options) else ["90 % of worlds"]
    if any("replications" in option for option in options):
        ranges = ["95 % interval"]
    for heading in ("$/month", *ranges, "$/Mtok", "TTFT p95", "TPOT p95", "SLO", "own"):
        table.add_column(heading, justify="right", no_wrap=True)
    for option in options:
        cost = option["cost_usd_per_month"]
        per_mtok = option["usd_per_mtok"]
        span = "-" if cost["low"] is None else f"{quantity(cost['low'])} - {quantity(cost['high'])}"
        table.add_row(
            option["name"],
            usd(total_usd(option)),
            *[span for _ in ranges],
            "-" if per_mtok is None else f"{per_mtok:.3f}",
            seconds(option["ttft_s"]["p95"]),
            seconds(option["tpot_s"]["p95"]),
            Text(share(option["slo_attainment"]), style="" if option["feasible"] else "red"),
            share(option["self_hosted_share"]),
        )
    return table


def print_verdict(document: dict[str, Any], console: Console) -> None:
    """Print the verdict screen."""
    _print_fact("VERDICT", headline(document), console)
    console.print()
    console.print(option_table(document["options"]))
    for option in document["options"]:
        _print_option_facts(option, console)
    console.print()
    for heading, text in _facts(document):
        _print_fact(heading, text, console)


def print_simulation(document: dict[str, Any], console: Console) -> None:
    """Print the options of ``simulate``."""
    console.print(option_table(document["options"]))
    for option in document["options"]:
        _print_option_facts(option, console)
    right = [o for o in document["options"] if o["usd_per_correct"] is not None]
    if right:
        _print_fact("CORRECT", ", ".join(map(_correct_text, right)), console)
    for option in document["options"]:
        if "replications" in option:
            _print_fact("SURE TO", replications_text(option), console)


def replications_text(option: dict[str, Any]) -> str:
    """Say how well replications know an option's cost."""
    cost, known = option["cost_usd_per_month"], option["replications"]
    half = (cost["high"] - cost["low"]) / 2 / cost["mean"] if cost["mean"] else 0.0
    text = f"{option['name']}: {usd(cost['mean'])} $/month +- {half:.2%}"
    above = known["above_cheapest_usd_per_month"]
    if above["mean"]:
        interval = f"[{usd(above['low'])} to {usd(above['high'])}]"
        text += f", {usd(above['mean'])} {interval} above the cheapest"
    text += f"; {known['count']} replications"
    return text if known["reached"] else f"{text}, {known['precision']:.2%} not reached"


def _print_option_facts(option: dict[str, Any], console: Console) -> None:
    """Say why an option is out, and where a gateway sent its requests."""
    if option["excuse"]:
        _print_fact("OUT", f"{option['name']}: {option['excuse']}", console)
        if option["remedies"]:
            ways = "; or ".join(each["text"] for each in option["remedies"])
            _print_fact("IT TAKES", f"{option['name']}: {ways}", console)
    if option["collapsed_to"]:
        text = f"{option['name']}: no split pays, everything goes to {option['collapsed_to']}"
        _print_fact("COLLAPSED", text, console)
    if option["chosen"]:
        _print_fact("CHOSEN", _chosen_text(option), console)
    if len(option["parts"]) > 1:
        parts = "; ".join(map(_part_text, option["parts"]))
        _print_fact("PARTS", f"{option['name']}: {parts}", console)
    requests = option["requests"]
    if requests["in_flight"] > CUT_SHARE * requests["offered"]:
        text = (
            f"{option['name']}: {requests['in_flight']:,} of {requests['offered']:,} requests had "
            "no answer when the traffic ended; they are in no time to a token"
        )
        _print_fact("CUT OFF", text, console)
    served = {name: count for name, count in option["served_by"].items() if count}
    if len(served) > 1:
        total = sum(served.values())
        parts = ", ".join(f"{count / total:.0%} {name}" for name, count in served.items())
        _print_fact("SERVED BY", f"{option['name']}: {parts}", console)


def _print_fact(heading: str, text: str, console: Console) -> None:
    """Print one heading with text that wraps beside it."""
    lines = textwrap.wrap(text, console.width - HEADING_WIDTH, break_on_hyphens=False)
    console.print(Text(f"{heading:{HEADING_WIDTH}}", style="bold") + Text(lines[0]), soft_wrap=True)
    for line in lines[1:]:
        console.print(" " * HEADING_WIDTH + line, soft_wrap=True, markup=False)


def _facts(document: dict[str, Any]) -> list[tuple[str, str]]:
    facts = []
    if document["break_even"]:
        facts.append(("BREAK-EVEN", break_even_text(document["break_even"])))
    right = [o for o in document["options"] if o["usd_per_correct"] is not None]
    if right:
        facts.append(("CORRECT", ", ".join(map(_correct_text, right))))
    if document["over_time"]:
        facts.append(("OVER TIME", over_time_text(document["over_time"])))
    hybrid = document["hybrid"]
    if hybrid:
        facts.append(("SPLIT", split_text(hybrid)))
    if document["drivers"]:
        top = ", ".join(
            f"{d['name']} {quantity(d['swing_usd_per_month'])} $/month"
            for d in document["drivers"][:3]
        )
        facts.append(("DRIVERS", f"swing of the advantage: {top}"))
    if document["flips"]:
        facts.append(("FLIPS IF", "; ".join(flip_text(f) for f in document["flips"][:3])))
    prices = len(document["provenance"]["prices"])
    facts.append(
        (
            "DATA",
            f"prices as of {document['as_of']} ({prices} offers); "
            f"seed {document['seed']}; "
            + "; ".join(
                [
                    *document["provenance"]["traffic"].values(),
                    *_sampling(document),
                    *_effort(document["effort"]),
                ]
            ),
        )
    )
    facts += [("NOTE", note) for note in document["notes"]]
    return facts


def _effort(effort: dict[str, Any]) -> list[str]:
    """Say what a rough answer gave up."""
    if effort["level"] == effort["of"]:
        return []
    level = f"effort {effort['level']} of {effort['of']}"
    return [f"{level}: {effort['volumes']} volumes, no simulated flips"]


def _sampling(document: dict[str, Any]) -> list[str]:
    """Say how sure the figures are that windows stand for."""
    samples = [o["sampling"] for o in document["options"]]
    known = [sample for sample in samples if sample["windows"] or sample["scale"] < 1]
    if not known:
        return []
    calls, met = (
        max(k[name] for k in known if k[name] is not None)
        for name in ("cost_error", "attainment_error")
    )
    spans = max(k["windows"] for k in known)
    what = f"up to {spans} spans" if spans else "a share of the traffic"
    return [f"{what}: cost +-{calls:.1%}, SLO +-{100 * met:.1f} points"]


def _chosen_text(option: dict[str, Any]) -> str:
    """Name the candidate that was chosen, and say what spoke against some others."""
    out = option["rejected"]
    text = f"{option['chosen']}, out of {len(out) + 1} candidates"
    reasons = [f"{r['candidate']}: {r['reason']}" for r in out[:SHOWN_REASONS]]
    return "; not ".join([text, *reasons])


def _part_text(part: dict[str, Any]) -> str:
    """Say what a part of a composite option does."""
    what = f" for {', '.join(part['workloads'])}" if part["workloads"] else ""
    replicas = f", {part['replicas']} replicas" if part["replicas"] else ""
    return f"{part['name']}{what} {usd(part['cost_usd_per_month'])} ${replicas}"


def _correct_text(option: dict[str, Any]) -> str:
    """Say what an option's right answers cost, and how many of all they are."""
    per_thousand = 1000 * option["usd_per_correct"]
    return f"{option['name']} {per_thousand:.3g} $/1000 ({option['success_rate']:.0%} right)"


def break_even_text(found: dict[str, Any]) -> str:
    """Say where self-hosting alone beats the cheapest API alone."""
    unit, today = found["unit"], found["current"]
    if found["first"] is None:
        text = f"never between {quantity(found['scanned'][0])} and {quantity(found['scanned'][1])} "
        text += f"{unit} (you: {quantity(today)})"
        miss = found["nearest_miss"]
        if miss:
            dearer = miss["dearer_share"]
            much = f"{dearer:.0%} dearer" if dearer < 1 else f"at {1 + dearer:.3g} times the cost"
            text += f"; nearest at {quantity(miss['at'])}, {much} there"
        return text
    if found["axis"] != "volume":
        return _axis_text(found)
    least = found["scanned"][0]
    if not found["api_meets_targets"]:
        return f"no API meets the targets at any volume from {quantity(least)} {unit} up"
    low, high = (quantity(v) if v is not None else "beyond" for v in found["first_interval"])
    if found["first_interval"][0] == least:
        low = f"{quantity(least)} or less"
    if found["first"] == least:
        text = f"own beats API at {quantity(least)} {unit}, the least volume looked at"
    else:
        text = f"own beats API from {quantity(found['first'])} {unit} [{low} to {high}]"
    if found["permanent"] is None:
        text += ", not for good"
    elif found["permanent"] != found["first"]:
        text += f", for good from {quantity(found['permanent'])}"
    probability = min(found["probability_self_host_wins"], key=lambda vp: abs(vp[0] - today))[1]
    text += f"; you are at {quantity(today)} [P = {probability:.2f} past]"
    needed, given = found["required_load_share"], found["current_load_share"]
    if needed is None or given is None:
        return text
    return f"{text}; own replicas pay from {needed:.0%} load, they get {given:.0%}"


def _axis_text(found: dict[str, Any]) -> str:
    """Name the intervals of an axis in which owning wins."""
    low, high = found["scanned"]
    parts = []
    for begin, end in found["intervals"]:
        if begin == low and end == high:
            parts.append(f"everywhere between {quantity(low)} and {quantity(high)}")
        elif begin == low:
            parts.append(f"below {quantity(end)}")
        elif end == high:
            parts.append(f"above {quantity(begin)}")
        else:
            parts.append(f"between {quantity(begin)} and {quantity(end)}")
    today = f"; you are at {quantity(found['current'])}" if found["current"] is not None else ""
    return f"own beats API at {found['axis']} {', '.join(parts)}{today}"


def split_text(hybrid: dict[str, Any]) -> str:
    """Say how the best hybrid shares the work."""
    count = hybrid["replicas"]
    replicas = f"{count} own replica{'s' if count != 1 else ''}"
    return f"{hybrid['self_hosted_share']:.0%} of tokens on {replicas}; {hybrid['rule']}"


def flip_text(flip: dict[str, Any]) -> str:
    """Say what change makes another option the cheapest."""
    if flip["value"] is not None:
        direction = "above" if flip["factor"] > 1 else "below"
        limit = f"{flip['value']:,.4g} {flip['unit']}".strip()
        return f"{flip['name']} {direction} {limit} ({flip['winner']})"
    return f"{flip['name']} {flip['factor'] - 1:+.0%} ({flip['winner']})"
