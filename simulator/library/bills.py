"""Bills of logs and usage exports, compared with what they recorded."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.library.results import Result

if TYPE_CHECKING:
    from simulator.scenario.bills.bill import BillLine, Sum
    from simulator.scenario.bills.billed_rows import BilledRows, Line


def reproduce_bill(
    source: str,
    *,
    book: str | Path | None = None,
    log_format: str | None = None,
    skip_bad: bool = False,
) -> Result:
    """Price the calls of a source at list prices, and compare the bill with its recorded cost.

    Parameters
    ----------
    source : str
        Log or usage export, URL of a LiteLLM database, or address of a Prometheus server.
    book : path, optional
        Prices written by ``prices import``, used before the shipped ones.
    log_format : str, optional
        Name of the format; default: detected from the content.
    skip_bad : bool
        Skip invalid rows of a log, and note their number.

    Returns
    -------
    Result
        Lines by provider, model, team and key, with sums of each; list prices are bounds where a
        sum of calls does not tell what they depend on.

    Raises
    ------
    InputError
        If the source is not recognised, or has a row that cannot be read.
    """
    from simulator.report.terminal.bills import print_bill
    from simulator.scenario.bills.bill import bill_of
    from simulator.scenario.catalog.price_book import PriceBook

    rows, name, notes = _rows(source, log_format, skip_bad)
    prices = PriceBook() if book is None else PriceBook.with_file(Path(book))
    bill = bill_of(rows, prices)
    keys = {
        "by_model": _model_of,
        "by_provider": lambda line: line.provider,
        "by_team": lambda line: line.team,
        "by_key": lambda line: line.key,
    }
    document: dict[str, Any] = {
        "source": Path(source).name if "://" not in source else source.partition("?")[0],
        "format": name,
        "begin_s": bill.begin_s,
        "end_s": bill.end_s,
        "total": _sum(bill.total),
        **{
            key: [{"name": n, **_sum(s)} for n, s in bill.by(of).items()]
            for key, of in keys.items()
        },
        "by_month": [{"name": n, **_sum(s)} for n, s in bill.by_month().items()],
        "lines": [_line(each) for each in bill.lines],
        "left_out": [_line(each) for each in bill.left_out],
    }
    printer = partial(print_bill, document)
    return Result(document, document["lines"], printer=printer, notes=notes)


def _model_of(line: "Line") -> str:
    return "/".join(part for part in (line.provider, line.model) if part)


def _rows(
    source: str, log_format: str | None, skip_bad: bool
) -> "tuple[BilledRows, str, tuple[str, ...]]":
    """Return the rows of a source, its format, and notes on what was left out of it."""
    from simulator.scenario.bills.billed_rows import rows_of_log, rows_of_usage
    from simulator.scenario.starter.sources import export_usage, is_export
    from simulator.traffic.formats.catalog import format_of, source_of
    from simulator.traffic.formats.records.reading import Names, Skips, read

    if is_export(source, log_format):
        usage, name, notices = export_usage(source, log_format)
        return rows_of_usage(usage), name, (*notices.texts(), *notices.remarks)
    path = source_of(source)
    read_as = format_of(path, log_format)
    names, skips = Names(), Skips(skip_bad)
    rows = rows_of_log(read(path, read_as, names, skips, whole=True), names)
    calls = sum(not rows.lines[k].left_out for k in rows.line.tolist())
    summary = skips.tally.summary(calls)
    notes = () if summary.is_plain and not skips.count else (summary.text(),)
    return rows, read_as.name, notes


def _line(each: "BillLine") -> dict[str, Any]:
    return {**each.line._asdict(), "offer": each.offer, **_sum(each.sum), "notes": list(each.notes)}


def _sum(total: "Sum") -> dict[str, Any]:
    prompt, completion = total.tokens["input_total"], total.tokens["output_total"]
    return {
        "calls": total.calls,
        "input_tokens": prompt,
        "cached_tokens": total.tokens["cache_read"],
        "written_tokens": total.tokens["cache_write_5m"] + total.tokens["cache_write_1h"],
        "output_tokens": completion,
        "reasoning_tokens": total.tokens["reasoning"],
        "list_low_usd": total.low_usd,
        "list_high_usd": total.high_usd,
        "recorded_usd": total.recorded_usd,
        "difference_usd": total.difference_usd,
        "agrees": total.agrees,
        "rows_without_price": total.unpriced,
        "rows_without_record": total.unrecorded,
    }
