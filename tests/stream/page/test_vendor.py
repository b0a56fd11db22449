"""What is shipped of others: as it was published, with its licence."""

import hashlib
from pathlib import Path

VENDOR = Path(__file__).parents[3] / "stream" / "page" / "static" / "vendor"


def test_every_file_is_the_one_that_was_published() -> None:
    listed = dict(reversed(line.split("  ")) for line in (VENDOR / "SHA256SUMS").read_text().splitlines())
    there = {str(path.relative_to(VENDOR)) for path in VENDOR.rglob("*") if path.is_file()} - {
        "SHA256SUMS",
        "README.md",
    }
    assert there == listed.keys()
    for name, digest in listed.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest, name


def test_every_library_has_its_licence_and_is_named() -> None:
    readme = (VENDOR / "README.md").read_text()
    for folder in VENDOR.iterdir():
        if folder.is_dir():
            assert (folder / "LICENSE").read_text().strip()
            assert folder.name.lower() in readme.lower()
