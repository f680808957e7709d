"""Pages of the usage and cost APIs of providers: buckets of time, each with its results."""

from collections.abc import Iterator

from simulator.traffic.usage.buckets import Notices
from simulator.traffic.usage.export_format import Content, has_all
from simulator.traffic.usage.fields import Fields, export_records, first_record

OPENAI_SPAN = ("start_time", "end_time")
ANTHROPIC_SPAN = ("starting_at", "ending_at")


def has_pages(content: Content, span: tuple[str, str]) -> bool:
    """Return whether a file has pages whose buckets have these fields for begin and end.

    A file may have one page, a list of them, or one a line.
    """
    spans = first_record(content).get("data")
    if content.header is not None or not isinstance(spans, list):
        return False
    return all(has_all(bucket, span) for bucket in spans)


def results(content: Content) -> Iterator[tuple[Fields, Fields]]:
    """Yield each bucket of time with each of its results, which are one row in a table."""
    for page in export_records(content):
        if content.header is not None:
            yield page, page
            continue
        for bucket in page.mappings("data"):
            # The references name the list "results"; some clients of OpenAI print it as "result".
            for result in bucket.mappings("results" if "results" in bucket.values else "result"):
                yield bucket, result


def begin_and_length(bucket: Fields, span: tuple[str, str]) -> tuple[float, float]:
    """Return begin and length of a bucket of time."""
    begin_s = bucket.moment(span[0])
    return begin_s, bucket.moment(span[1]) - begin_s


def note_pages(content: Content, span: tuple[str, str], notices: Notices) -> None:
    """Note the time that pages cover, and if the last one says that there are more."""
    pages = list(export_records(content)) if content.header is None else []
    for page in pages:
        for bucket in page.mappings("data"):
            notices.cover(*begin_and_length(bucket, span))
    if pages and pages[-1].values.get("has_more"):
        notices.remark("The last page says has_more: the export does not hold all its buckets.")
