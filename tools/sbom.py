"""Complete a bill of materials: with the hashes of what was installed, and without where from.

``python tools/sbom.py BOM REPORT`` reads a CycloneDX document of an environment and pip's report of
its installation, and prints the document with the SHA-256 of each file that was installed. What
says on which machine or from which package index it was made is left out: that is the business of
whoever installs.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

_INDEX_KIND = "distribution"
"""References of packages that lead to where they are downloaded."""


def plain(name: str) -> str:
    """Return a name as package indexes compare names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed_hashes(report: dict[str, Any]) -> dict[tuple[str, str], str]:
    """Return the SHA-256 of what pip installed, by name and version."""
    found = {}
    for item in report["install"]:
        about, archive = item["metadata"], item["download_info"].get("archive_info", {})
        digest = archive.get("hashes", {}).get("sha256")
        if digest:
            found[plain(about["name"]), about["version"]] = digest
    return found


def complete(bom: dict[str, Any], hashes: dict[tuple[str, str], str]) -> dict[str, Any]:
    """Return a bill of materials with hashes, and without machine paths and index addresses."""
    cleaned: dict[str, Any] = _without_places(bom)
    for component in cleaned["components"]:
        digest = hashes.get((plain(component["name"]), component["version"]))
        if digest:
            component["hashes"] = [{"alg": "SHA-256", "content": digest}]
    return cleaned


def _without_places(part: Any) -> Any:
    """Return a part of a document without references that lead to such places."""
    if isinstance(part, dict):
        return {key: _without_places(value) for key, value in part.items()}
    if isinstance(part, list):
        return [_without_places(each) for each in part if not _is_place(each)]
    return part


def _is_place(part: Any) -> bool:
    """Whether a part refers to a download or to a file of a machine."""
    if not isinstance(part, dict) or "url" not in part:
        return False
    return part.get("type") == _INDEX_KIND or not re.match("https?:", part["url"])


def main() -> None:
    """Read a document and a report, and print the document."""
    bom, report = (json.loads(Path(path).read_text(encoding="utf-8")) for path in sys.argv[1:])
    whole = complete(bom, installed_hashes(report))
    sys.stdout.write(json.dumps(whole, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
