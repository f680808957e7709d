"""A folder for readers, and detection of files that are written outside of their part of it."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {
    "os.mkdir": ((0,), (2,)), "os.rename": ((0, 1), (2, 3)), "os.remove": ((0,), (1,)),
    "os.rmdir": ((0,), (1,)), "os.link": ((1,), (3,)), "os.symlink": ((1,), (2,)),
    "os.truncate": ((0,), ()),
}  # fmt: skip
"""Audit events that change files: indices of the arguments that are paths, and of those that are
the folders to which the paths are relative."""
_CACHES = ("__pycache__", ".nbi", ".nbc", "matplotlib", "fontconfig")
"""Parts of the paths of caches of Python, Numba and Matplotlib, which are written for any input."""


class _Watch:
    """Audit hook of this process, which finds writes to forbidden paths; it cannot be removed."""

    def __init__(self) -> None:
        self.allowed: tuple[str, ...] = ()
        self.strays: list[str] | None = None
        self.installed = False

    def install(self) -> None:
        if not self.installed:
            sys.addaudithook(self._hook)
            self.installed = True

    def _hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.strays is None:
            return
        paths: tuple[object, ...] = ()
        if event == "open":
            flags = arguments[2]
            paths = arguments[:1] if isinstance(flags, int) and flags & _WRITING else ()
        elif event in _CHANGES:
            indices, folders = _CHANGES[event]
            # Only the steps of removing a whole tree have paths relative to an open folder.
            is_from_root = all(arguments[k] in (-1, None) for k in folders)
            paths = tuple(arguments[k] for k in indices) if is_from_root else ()
        for path in paths:
            if isinstance(path, str | bytes):
                self._note(os.fsdecode(path))

    def _note(self, path: str) -> None:
        strays = self.strays
        try:
            # realpath opens no file, so that the hook does not call itself.
            real = os.path.realpath(path)
        except ValueError:
            return  # no system call accepts such a path
        if strays is None or real == os.devnull or any(part in real for part in _CACHES):
            return
        if not any(real == folder or real.startswith(folder + os.sep) for folder in self.allowed):
            strays.append(real)


_watch = _Watch()


class Sandbox:
    """A temporary folder with a part for inputs, one for outputs and one for caches."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="fuzz-")
        self.root = Path(self._folder.name).resolve()
        # Deep enough that ``../..`` in a path remains within the sandbox.
        self._in = self.root / "a" / "b" / "in"
        self._out = self.root / "a" / "b" / "c" / "out"
        self._elsewhere = self.root / "tmp"
        self._elsewhere.mkdir()

    def __enter__(self) -> "Sandbox":
        self._before = os.environ.get("XDG_CACHE_HOME"), tempfile.tempdir
        os.environ["XDG_CACHE_HOME"] = str(self._elsewhere)
        tempfile.tempdir = str(self._elsewhere)
        return self

    def __exit__(self, *_: object) -> None:
        cache, tempfile.tempdir = self._before
        if cache is None:
            del os.environ["XDG_CACHE_HOME"]
        else:
            os.environ["XDG_CACHE_HOME"] = cache
        self._folder.cleanup()

    def fresh(self, name: str, data: bytes) -> tuple[Path, Path]:
        """Write an input to an empty folder; return its path and an empty folder for outputs."""
        for folder in (self._in, self._out):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        path = self._in / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path, self._out

    @contextmanager
    def watched(self) -> Iterator[list[str]]:
        """Yield a list to which paths are added that are written outside of the sandbox."""
        _watch.install()
        strays: list[str] = []
        _watch.allowed = tuple(str(f) for f in (self._in, self._out, self._elsewhere))
        _watch.strays = strays
        try:
            yield strays
        finally:
            _watch.strays = None
