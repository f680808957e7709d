"""All readers of outside input by name."""

from functools import cache

from fuzz.cases import Reader
from fuzz.readers import (
    bench_readers,
    kept_readers,
    log_readers,
    metrics_readers,
    price_readers,
    scenario_readers,
    usage_readers,
)

_MODULES = (
    scenario_readers,
    log_readers,
    usage_readers,
    metrics_readers,
    price_readers,
    bench_readers,
    kept_readers,
)


@cache
def all_readers() -> dict[str, Reader]:
    """Return all readers by name."""
    return {reader.name: reader for module in _MODULES for reader in module.readers()}
