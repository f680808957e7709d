"""Reader of LiteLLM SpendLogs in the proxy's PostgreSQL database, a portion at a time."""

from collections.abc import Iterator

from simulator.errors import InputError
from simulator.files.optional import missing_package
from simulator.files.text import label
from simulator.traffic.formats.gateways.litellm import litellm_row
from simulator.traffic.formats.records.call_records import row_parser
from simulator.traffic.formats.records.chunks import Item, Record, RecordChunk, in_chunks
from simulator.traffic.formats.records.reading import Format

_PORTION = 10_000
_COLUMNS = (
    "startTime",
    "endTime",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "call_type",
    "model",
    "model_group",
    "session_id",
    "cache_hit",
    "status",
    "metadata",
    "spend",
    "custom_llm_provider",
    "team_id",
    "api_key",
)


def _chunks(address: str) -> Iterator[RecordChunk]:
    return in_chunks(_rows(address))


def _rows(address: str) -> Iterator[Item]:
    """Yield rows in the order of time, without the columns that an older proxy lacks.

    Raises
    ------
    InputError
        If the driver, the connection or the table is missing. The message never contains the
        password.
    """
    try:
        import psycopg
        from psycopg.rows import dict_row
        from psycopg.sql import SQL, Identifier
    except ImportError:
        raise missing_package("psycopg", "a database") from None
    database = label(address)
    try:
        with psycopg.connect(address, row_factory=dict_row) as connection:
            columns = connection.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_name = %s",
                ["LiteLLM_SpendLogs"],
            ).fetchall()
            names = [c for c in _COLUMNS if {"column_name": c} in columns]
            if "startTime" not in names:
                raise InputError(f"{database}: no table LiteLLM_SpendLogs in this database")
            query = SQL('SELECT {} FROM "LiteLLM_SpendLogs" ORDER BY "startTime"').format(
                SQL(", ").join(map(Identifier, names))
            )
            with connection.cursor("spend_logs") as cursor:  # a server-side cursor
                cursor.itersize = _PORTION
                for line, row in enumerate(cursor.execute(query), start=1):
                    yield Record(line, row)
    except (psycopg.Error, ValueError) as error:
        reason = str(error).strip().splitlines() or ["no connection"]
        raise InputError(f"{database}: {reason[0]}") from None


LITELLM_DATABASE = Format(
    "litellm-database",
    "the database of a LiteLLM proxy, by its postgresql:// address",
    lambda head: False,
    _chunks,
    row_parser(litellm_row),
)
