"""Complete a bill of materials: add hashes of installed packages, and remove their origins.

``python tools/sbom.py BOM REPORT`` reads a CycloneDX document of an environment and pip's report of
its installation, and prints the document with the SHA-256 of each installed package. References to
a machine or a package index are removed, since they only concern the person who installed it.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

_INDEX_KIND = "distribution"
"""Type of references to the address from which a package was downloaded."""


def plain(name: str) -> str:
    """Return a package name in normalised form, as package indexes compare names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed_hashes(report: dict[str, Any]) -> dict[tuple[str, str], str]:
    """Return the SHA-256 of the packages that pip installed, by name and version."""
    hashes = {}
    for item in report["install"]:
        about, archive = item["metadata"], item["download_info"].get("archive_info", {})
        digest = archive.get("hashes", {}).get("sha256")
        if digest:
            hashes[plain(about["name"]), about["version"]] = digest
    return hashes


def complete(bom: dict[str, Any], hashes: dict[tuple[str, str], str]) -> dict[str, Any]:
    """Return a bill of materials with hashes, and without machine paths and index addresses."""
    cleaned: dict[str, Any] = _without_origins(bom)
    for component in cleaned["components"]:
        digest = hashes.get((plain(component["name"]), component["version"]))
        if digest:
            component["hashes"] = [{"alg": "SHA-256", "content": digest}]
    return cleaned


def _without_origins(part: Any) -> Any:
    """Return a part of a document without references to downloads and machine paths."""
    if isinstance(part, dict):
        return {key: _without_origins(value) for key, value in part.items()}
    if isinstance(part, list):
        return [_without_origins(item) for item in part if not _is_origin(item)]
    return part


def _is_origin(part: Any) -> bool:
    """Return whether a part refers to a download or to a file of a machine."""
    if not isinstance(part, dict) or "url" not in part:
        return False
    return part.get("type") == _INDEX_KIND or not re.match("https?:", part["url"])


def main() -> None:
    """Read a document and a report, and print the document."""
    bom, report = (json.loads(Path(path).read_text(encoding="utf-8")) for path in sys.argv[1:])
    document = complete(bom, installed_hashes(report))
    sys.stdout.write(json.dumps(document, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
