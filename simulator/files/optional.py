"""Packages that only some functions need, each with the extra of breakeven that installs it."""

from importlib.util import find_spec

from simulator.errors import InputError

EXTRAS = {
    "distributed": "dask",
    "pandas": "pandas",
    "psycopg": "postgres",
    "pyarrow": "parquet",
    "zstandard": "traces",
}


def is_installed(package: str) -> bool:
    """Return whether a package can be imported."""
    return find_spec(package) is not None


def missing_package(package: str, what: str) -> InputError:
    """Return the error for something that needs a package which cannot be imported."""
    return InputError(f"{what} needs {package}: pip install 'breakeven[{EXTRAS[package]}]'")
