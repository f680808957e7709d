"""Reading of Parquet; errors are one line with the name of the file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from simulator.errors import InputError
from simulator.files.optional import missing_package
from simulator.files.text import checked_file, reason

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile


@contextmanager
def open_parquet(path: Path) -> Iterator["ParquetFile"]:
    """Open a Parquet file; errors in it may only show when it is read, within the block.

    Raises
    ------
    InputError
        If pyarrow is missing, there is no such file, or it cannot be read as Parquet.
    """
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise missing_package("pyarrow", f"{path}: a Parquet file") from None
    checked_file(path)
    try:
        with ParquetFile(path) as file:
            yield file
    except (ArrowException, OSError, UnicodeDecodeError) as error:
        message = reason(error).split("\\n")[0][:120]
        raise InputError(f"{path}: not readable as Parquet: {message}") from None
