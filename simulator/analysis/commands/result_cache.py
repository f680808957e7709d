"""What was found before, kept on disk under a hash of all that it depends on."""

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
    """Return the folder for what can be computed again: by XDG_CACHE_HOME, else ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "breakeven"


def code() -> str:
    """Return a hash of the product itself, which every result depends on."""
    return content_of(Path(__file__).parents[2])


@cache
def content_of(folder: Path) -> str:
    """Return a hash of all code and YAML in a folder, looked at once."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.suffix in (".py", ".yaml")):
        digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def recalled(path: Path) -> Any:
    """Return what is kept at a path, or None: nothing, or nothing that can be read."""
    try:
        kept = read_json(path)
        is_whole = isinstance(kept, dict) and kept.get("checksum") == _checksum(kept.get("found"))
    except (InputError, ValueError):
        return None
    # Cut short, changed or of another form: found anew and written over.
    return kept["found"] if is_whole else None


def keep(path: Path, found: Any) -> Any:
    """Keep plain values at a path, all of them or none, and return them as they are read back.

    Where they cannot be written the answer is as good as ever: a warning says so.
    """
    kept = json.dumps({"checksum": _checksum(found), "found": found}, sort_keys=True)
    try:
        write_files(path.parent, {path.name: kept})
    except WriteError as error:
        warnings.warn(f"nothing is kept for another time: {error}", stacklevel=2)
    return json.loads(kept)["found"]


def _checksum(found: Any) -> str:
    return hashlib.sha256(json.dumps(found, sort_keys=True, allow_nan=False).encode()).hexdigest()


def known_capacity(
    study: Study, option: SelfHostOption, replicas: int, precision: float, folder: Path
) -> Capacity:
    """Return a capacity from disk, or find it and write it down; see ``slo_capacity``.

    Prices are not among what it depends on.
    """
    path = folder / "capacity" / f"{_content(study, option, replicas, precision)}.json"
    known = recalled(path)
    if isinstance(known, dict) and set(known) == {field.name for field in fields(Capacity)}:
        return Capacity(**known)
    found = slo_capacity(study, option, replicas, precision)
    keep(path, asdict(found))
    return found


def _content(study: Study, option: SelfHostOption, replicas: int, precision: float) -> str:
    """Hash of the product, the traffic, the targets and the deployment."""
    partners = [(p.fleet, p.option.label) for p in option.partners]
    parts = (
        code(), study.seed, study.traffic, study.slo, study.priorities,
        study.quality, study.effort.sample_requests, study.effort.warm_up_s, option.name,
        option.fleet, partners, option.reshaping, option.success_rate, replicas, precision,
    )  # fmt: skip
    return hashlib.sha256(pickle.dumps(parts, protocol=5)).hexdigest()[:32]
