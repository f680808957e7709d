"""Capacities that were found before, kept on disk under a hash of all that they depend on."""

import hashlib
import json
import os
import pickle
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from simulator.analysis.capacity import Capacity, slo_capacity
from simulator.analysis.study import SelfHostOption, Study


def cache_dir() -> Path:
    """Return the folder for what can be computed again: by XDG_CACHE_HOME, else ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "breakeven"


def known_capacity(
    study: Study, option: SelfHostOption, replicas: int, precision: float, folder: Path
) -> Capacity:
    """Return a capacity from disk, or find it and write it down; see ``slo_capacity``.

    Prices are not among what it depends on.
    """
    path = folder / "capacity" / f"{_content(study, option, replicas, precision)}.json"
    if path.is_file():
        try:
            return Capacity(**json.loads(path.read_text()))
        except (ValueError, TypeError):
            pass  # cut short or of an older form: found anew and written over
    found = slo_capacity(study, option, replicas, precision)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    partial.write_text(json.dumps(asdict(found), sort_keys=True))
    partial.replace(path)
    return found


def _content(study: Study, option: SelfHostOption, replicas: int, precision: float) -> str:
    """Hash of the product's version, the traffic, the targets and the deployment."""
    partners = [(p.fleet, p.option.label) for p in option.partners]
    parts = (
        version("breakeven"), study.seed, study.traffic, study.slo, study.priorities,
        study.quality, study.effort.sample_requests, study.effort.warm_up_s, option.name,
        option.fleet, partners, option.reshaping, option.success_rate, replicas, precision,
    )  # fmt: skip
    return hashlib.sha256(pickle.dumps(parts, protocol=5)).hexdigest()[:32]
