"""The mutations of `make mutations` fit the source as it is now, and the page has each of them."""

import shutil
from pathlib import Path

import pytest

from tests.mutations.broken import MUTATIONS, Mutation

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: each.what.replace(" ", "-"))
def test_a_mutation_changes_what_it_says(tmp_path: Path, mutation: Mutation) -> None:
    copied = tmp_path / mutation.file
    copied.parent.mkdir(parents=True)
    shutil.copy(ROOT / mutation.file, copied)
    mutation.apply(tmp_path)
    assert copied.read_text() != (ROOT / mutation.file).read_text()
    for place in mutation.tests.partition(" -k ")[0].split():
        assert (ROOT / place).exists()


def test_the_page_has_them_all() -> None:
    page = (ROOT / "docs/invariants.md").read_text()
    missing = [each.what for each in MUTATIONS if f"| {each.what} (" not in page]
    assert not missing, "make mutations"
