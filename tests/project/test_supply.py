"""What the project is installed from: pinned versions, their hashes, the bill of materials."""

import re
import tomllib
from importlib.metadata import requires
from typing import Any

import pytest
from newest import differences, pinned, plain
from packaging.requirements import Requirement
from sbom import complete, installed_hashes

from tests.support.checkout import ROOT

LOCKED = ROOT / "locked"
LINE = re.compile(r"([a-z0-9-]+)==([\w.!+-]+)((?: --hash=sha256:[0-9a-f]{64})+)")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def locked(name: str) -> dict[str, tuple[str, list[str]]]:
    """Version and hashes by name; every line of the file must be of this form and no other."""
    text = (LOCKED / name).read_text(encoding="ascii").replace(" \\\n    ", " ")
    found = {}
    for line in text.splitlines():
        match = LINE.fullmatch(line)
        assert match, f"{name}: {line[:100]}"
        found[match[1]] = (match[2], match[3].replace("--hash=sha256:", "").split())
    assert list(found) == sorted(found), f"{name}: names are sorted, so that changes show"
    return found


def closure(requirements: list[str]) -> set[str]:
    """Names of what requirements need on this machine, and what that needs."""
    found: set[str] = set()
    open_ = [Requirement(each) for each in requirements]
    while open_:
        requirement = open_.pop()
        name = plain(requirement.name)
        if name in found or (requirement.marker and not requirement.marker.evaluate()):
            continue
        found.add(name)
        for each in requires(name) or []:
            needed = Requirement(each)
            extras = requirement.extras or {""}
            if not needed.marker or any(needed.marker.evaluate({"extra": e}) for e in extras):
                needed.marker = None
                open_.append(needed)
    return found


def test_hashes_are_of_the_pinned_versions() -> None:
    """Nobody is told here where files come from: hashes hold wherever they are taken from."""
    everything = locked("dev.txt")
    versions = {name: version for name, (version, _) in everything.items()}
    pins = pinned((ROOT / "constraints.txt").read_text())
    assert versions == pins, "run: make hashes"
    for _, hashes in everything.values():
        assert hashes == sorted(set(hashes))


@pytest.mark.parametrize(
    ("name", "requirements"),
    [
        ("run.txt", PROJECT["project"]["dependencies"]),
        ("build.txt", PROJECT["build-system"]["requires"]),
    ],
)
def test_a_part_of_the_hashes_is_whole(name: str, requirements: list[str]) -> None:
    part, everything = locked(name), locked("dev.txt")
    assert part.items() <= everything.items(), "run: make hashes"
    assert closure(requirements) <= set(part), "run: make hashes"


def test_differences_from_the_pinned_versions_are_named() -> None:
    before = pinned("# versions\nPyYAML==6.0.4\ntyping_extensions==4.16.0  # why\n\ngone==1\n")
    assert before == {"pyyaml": "6.0.4", "typing-extensions": "4.16.0", "gone": "1"}
    after = {"pyyaml": "6.0.5", "typing-extensions": "4.16.0", "new": "2"}
    assert differences(before, after) == [
        ("gone", "1", "-"), ("new", "-", "2"), ("pyyaml", "6.0.4", "6.0.5"),
    ]  # fmt: skip


def test_a_bill_of_materials_says_what_and_not_where_from() -> None:
    digest = "0" * 64
    home = {"type": "website", "url": "https://numpy.example"}
    component: dict[str, Any] = {
        "name": "typing_extensions", "version": "1", "purl": "pkg:pypi/typing-extensions@1",
        "externalReferences": [
            home,
            {"type": "distribution", "url": "https://index.example/typing-extensions"},
            {"type": "other", "url": "file:///home/somebody/wheel"},
        ],
    }  # fmt: skip
    report = {
        "install": [
            {
                "metadata": {"name": "typing-extensions", "version": "1"},
                "download_info": {
                    "url": "https://index.example/x",
                    "archive_info": {"hashes": {"sha256": digest}},
                },
            },
            {"metadata": {"name": "folder", "version": "1"}, "download_info": {"dir_info": {}}},
        ]
    }
    other = {"name": "folder", "version": "1"}
    bom = complete({"components": [component, other]}, installed_hashes(report))
    assert bom["components"] == [
        {
            **component,
            "externalReferences": [home],
            "hashes": [{"alg": "SHA-256", "content": digest}],
        },
        other,
    ]
