"""Release a version: ``make release VERSION=1.2.3``.

Moves the unreleased entries of the changelog to the version, and sets the version of the package.
Then runs all checks, builds the files in ``dist/``, commits and tags. If anything fails, the files
stay as they were. Nothing is pushed or uploaded.
"""

import re
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
BRANCH = "main"
CHANGELOG, PROJECT = "CHANGELOG.md", "pyproject.toml"
CHECKS = ("make", "test", "docs", "locked")
"""``make locked`` builds ``dist/``, and tries the wheel in a fresh environment."""


class ReleaseError(Exception):
    """A version cannot be released; the message states why in one line."""


def release(root: Path, version: str, day: date) -> list[str]:
    """Release a version of the repository in a folder; return the names of the built files."""
    check_repository(root, version)
    texts = {name: (root / name).read_text(encoding="utf-8") for name in (CHANGELOG, PROJECT)}
    changed = {
        CHANGELOG: released_changelog(texts[CHANGELOG], version, day),
        PROJECT: with_version(texts[PROJECT], version),
    }
    try:
        _write(root, changed)
        files = _check_and_build(root, version)
    except BaseException:
        _write(root, texts)
        raise
    _git(root, "commit", "--quiet", "--message", f"Release {version}", *changed)
    _git(root, "tag", "--annotate", "--message", f"Release {version}", f"v{version}")
    return files


def check_repository(root: Path, version: str) -> None:
    """Raise an error unless everything is committed on the main branch and the version is new."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ReleaseError(f"the version must have three numbers, such as 1.2.3, not {version!r}")
    if _git(root, "branch", "--show-current") != BRANCH:
        raise ReleaseError(f"releases are made on the branch {BRANCH}")
    if _git(root, "status", "--porcelain"):
        raise ReleaseError("there are uncommitted changes: commit or remove them")
    if _git(root, "tag", "--list", f"v{version}"):
        raise ReleaseError(f"the tag v{version} exists already")


def released_changelog(text: str, version: str, day: date) -> str:
    """Return a changelog whose unreleased entries are those of a version."""
    before, found, after = text.partition("## Unreleased\n")
    entries = after.partition("\n## ")[0]
    if not found or "\n* " not in entries:
        raise ReleaseError(f"{CHANGELOG} has no entries under Unreleased")
    return f"{before}## {version} - {day.isoformat()}\n{after}"


def with_version(text: str, version: str) -> str:
    """Return the project's settings with another version, which must not be older."""
    found = re.search(r'^version = "(.+)"$', text, re.MULTILINE)
    if found is None:
        raise ReleaseError(f"{PROJECT} has no line with a version")
    if _numbers(version) < _numbers(found[1]):
        raise ReleaseError(f"{version} is older than the present version {found[1]}")
    return f"{text[: found.start(1)]}{version}{text[found.end(1) :]}"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _check_and_build(root: Path, version: str) -> list[str]:
    if subprocess.run(CHECKS, cwd=root, check=False).returncode != 0:
        raise ReleaseError(f"nothing is released, since `{' '.join(CHECKS)}` failed")
    files = sorted(path.name for path in (root / "dist").glob(f"breakeven-{version}[-.]*"))
    if len(files) != 2:
        raise ReleaseError(f"dist/ must have a wheel and a source archive, but has {files}")
    return files


def _write(root: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        (root / name).write_text(text, encoding="utf-8")


def _git(root: Path, *arguments: str) -> str:
    result = subprocess.run(
        ["git", *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise ReleaseError(f"git {arguments[0]} failed: {result.stderr.strip()}")
    return result.stdout.strip()


def main() -> None:
    """Release the version that is given, and print what to do next."""
    if len(sys.argv) != 2:
        sys.exit("give one version: make release VERSION=1.2.3")
    version = sys.argv[1]
    try:
        files = release(ROOT, version, datetime.now(UTC).date())
    except ReleaseError as error:
        sys.exit(f"release: {error}")
    sys.stdout.write(
        f"{version} is committed and tagged as v{version}. Nothing was uploaded. To publish it:\n"
        f"  git push origin {BRANCH} v{version}\n"
        f"  twine upload {' '.join(f'dist/{name}' for name in files)}\n"
    )


if __name__ == "__main__":
    main()
