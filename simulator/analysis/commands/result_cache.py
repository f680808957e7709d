"""Cache of results on disk, under a hash of everything that they depend on."""

import hashlib
import json
import os
import pickle
import warnings
from dataclasses import asdict, fields
from functools import cache
from pathlib import Path
from typing import Any

from simulator.analysis.commands.capacity import Capacity, slo_capacity
from simulator.analysis.study.options import SelfHostOption
from simulator.analysis.study.study import Study
from simulator.errors import InputError
from simulator.files.jsontext import read_json
from simulator.files.writing import WriteError, write_files


def cache_dir() -> Path:
    """Return the folder of caches: in XDG_CACHE_HOME if that is set, else in ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "breakeven"


def code_hash() -> str:
    """Return a hash of the program itself, on which every result depends."""
    return content_hash(Path(__file__).parents[2])


@cache
def content_hash(folder: Path) -> str:
    """Return a hash of all code and YAML in a folder; each folder is read once."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.suffix in (".py", ".yaml")):
        digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def read_cached(path: Path) -> Any:
    """Return the value cached at a path; None if there is none, or none that can be read."""
    try:
        stored = read_json(path)
        is_whole = isinstance(stored, dict) and stored.get("checksum") == _checksum(
            stored.get("found")
        )
    except (InputError, ValueError):
        return None
    # A file that is truncated, changed or of another form is computed again and overwritten.
    return stored["found"] if is_whole else None


def write_cached(path: Path, value: Any) -> Any:
    """Write a plain value to a path, completely or not at all; return it as it will be read back.

    If it cannot be written, there is a warning, and the value is returned all the same.
    """
    stored = json.dumps({"checksum": _checksum(value), "found": value}, sort_keys=True)
    try:
        write_files(path.parent, {path.name: stored})
    except WriteError as error:
        warnings.warn(f"the result is not cached: {error}", stacklevel=2)
    return json.loads(stored)["found"]


def _checksum(value: Any) -> str:
    """Return a hash of a plain value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode()).hexdigest()


def cached_capacity(
    study: Study, option: SelfHostOption, replicas: int, precision: float, folder: Path
) -> Capacity:
    """Return a capacity from the cache, or find and cache it; see ``slo_capacity``.

    Capacities do not depend on prices.
    """
    path = folder / "capacity" / f"{_capacity_hash(study, option, replicas, precision)}.json"
    cached = read_cached(path)
    if isinstance(cached, dict) and set(cached) == {field.name for field in fields(Capacity)}:
        return Capacity(**cached)
    capacity = slo_capacity(study, option, replicas, precision)
    write_cached(path, asdict(capacity))
    return capacity


def _capacity_hash(study: Study, option: SelfHostOption, replicas: int, precision: float) -> str:
    """Return a hash of the program, the traffic, the targets and the deployment."""
    partners = [(p.fleet, p.option.label) for p in option.partners]
    parts = (
        code_hash(), study.seed, study.traffic, study.slo, study.priorities,
        study.quality, study.effort.sample_requests, study.effort.warm_up_s, option.name,
        option.fleet, partners, option.reshaping, option.success_rate, replicas, precision,
    )  # fmt: skip
    return hashlib.sha256(pickle.dumps(parts, protocol=5)).hexdigest()[:32]
