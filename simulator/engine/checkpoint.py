"""Checkpoints: save a simulation between two chunks, and resume it.

A checkpoint is a ``.npz`` file without pickled objects: the arrays of the engine state as bytes,
the columns of the table, and a JSON text with everything else.
"""

import hashlib
import json
import struct
import zipfile
import zlib
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.engine.records.layout import EngineState
from simulator.engine.run import Excerpt, Simulation
from simulator.engine.spec.plan import Plan
from simulator.errors import InputError
from simulator.files.writing import whole
from simulator.traffic.table import PrefixTree, RequestTable

_COLUMNS = [f.name for f in fields(RequestTable) if f.name not in ("tree", "workloads")]
_TREE = [f.name for f in fields(PrefixTree)]


def save(
    path: Path, simulation: Simulation, notes: dict[str, Any], arrays: dict[str, NDArray]
) -> None:
    """Save a simulation with its caller's notes; the file is written completely or not at all."""
    plane, table = simulation.plane, simulation.table
    state = {name: np.ascontiguousarray(a) for name, a in plane.state._asdict().items()}
    about = {
        "notes": notes,
        "shapes": {name: array.shape for name, array in state.items()},
        "control": simulation.calendar.state(),
        "closed": simulation.closed.tolist(),
        "busy_s": simulation.busy_s,
        "periods_s": plane.closed_periods_s,
    }
    columns = {f"table {name}": getattr(table, name) for name in _COLUMNS}
    columns |= {f"tree {name}": getattr(table.tree, name) for name in _TREE}
    columns |= {f"plane {name}": _as_bytes(array) for name, array in state.items()}
    columns |= {f"note {name}": array for name, array in arrays.items()}
    columns["about"] = np.array(json.dumps(about))
    with whole(path) as target, target.open("wb") as file:
        np.savez(file, checksum=np.array(_checksum(columns)), **columns)


_BROKEN = (
    ArithmeticError, EOFError, LookupError, MemoryError, OSError, RuntimeError, TypeError,
    ValueError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""Errors that NumPy and ``zipfile`` raise for a broken file, or one of another kind."""


class Saved:
    """A saved simulation."""

    def __init__(self, path: Path) -> None:
        """Read a checkpoint.

        Raises
        ------
        InputError
            If the file is not a checkpoint, or is broken.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                self._arrays = {name: file[name] for name in file.files}
            if str(self._arrays.pop("checksum")) != _checksum(self._arrays):
                raise ValueError("its contents were changed")
            self._about = json.loads(str(self._arrays["about"]))
            self.notes: dict[str, Any] = self._about["notes"]
        except _BROKEN as error:
            raise InputError(f"{path}: cannot be read as a checkpoint ({error})") from None

    def array(self, name: str) -> NDArray:
        """Return one of the caller's arrays."""
        return self._arrays[f"note {name}"]

    def simulation(
        self,
        plan: Plan,
        workloads: tuple[str, ...],
        horizon_s: float,
        zero_s: float,
        excerpt: Excerpt | None = None,
    ) -> Simulation:
        """Return the simulation; the plan must be the one with which it was saved."""
        tree = PrefixTree(*(self._arrays[f"tree {name}"] for name in _TREE))
        columns = {name: self._arrays[f"table {name}"] for name in _COLUMNS}
        table = RequestTable(**columns, tree=tree, workloads=workloads)
        simulation = Simulation(plan, table, horizon_s, zero_s, excerpt)
        plane = simulation.plane
        fresh = plane.state._asdict()
        plane.state = EngineState(**{name: self._state_array(name, a) for name, a in fresh.items()})
        plane.closed_periods_s = [[(a, b) for a, b in f] for f in self._about["periods_s"]]
        simulation.closed = np.array(self._about["closed"], np.int64)
        simulation.busy_s = self._about["busy_s"]
        simulation.calendar.restore(self._about["control"])
        return simulation

    def _state_array(self, name: str, fresh: NDArray) -> Any:
        """Return an array of the engine state, of the type that a fresh one has."""
        shape = tuple(self._about["shapes"][name])
        array = np.frombuffer(self._arrays[f"plane {name}"].tobytes(), fresh.dtype).reshape(shape)
        # An array on bytes is read-only, but the data plane writes.
        return array.copy().view(type(fresh))


def _checksum(columns: dict[str, Any]) -> str:
    """Return a hash of the names, types, shapes and contents of arrays."""
    digest = hashlib.sha256()
    for name in sorted(columns):
        array = np.asarray(columns[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()


def _as_bytes(array: NDArray) -> NDArray[np.uint8]:
    return np.frombuffer(array.tobytes(), np.uint8)
