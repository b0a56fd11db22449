"""The source files of the settings."""

from pathlib import Path

import pytest

from schemas.adapters import ConfigurationError
from stream.settings import Settings
from stream.sources import read_sources

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples" / "sources"


def test_folders_and_files_by_name() -> None:
    found = read_sources(Settings(sources=(str(EXAMPLES),)))
    assert [each.name for each in found] == sorted(path.stem for path in EXAMPLES.glob("*.toml"))
    assert all(each.kind == each.name for each in found)
    assert all(each.open().adapt(b"{").refusals for each in found)
    one = read_sources(Settings(sources=(str(EXAMPLES / "twilio.toml"),)))
    assert [(each.name, each.kind) for each in one] == [("twilio", "twilio")]
    assert read_sources(Settings()) == ()


def test_every_fault_is_a_line_that_names_the_file(tmp_path: Path) -> None:
    good = 'kind = "ecb"\nsource = "ecb"\n'
    (tmp_path / "again").mkdir()
    for name in ("ecb.toml", "Bad Name.toml", "again/ecb.toml"):
        (tmp_path / name).write_text(good)
    (tmp_path / "broken.toml").write_text("kind =")
    (tmp_path / "latin.toml").write_bytes(b"\xe4")
    with pytest.raises(ConfigurationError) as fault:
        read_sources(Settings(sources=(str(tmp_path), str(tmp_path / "again"), str(tmp_path / "missing.toml"))))
    lines = str(fault.value).splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        str(tmp_path / name)
        for name in ("Bad Name.toml", "broken.toml", "latin.toml", "again/ecb.toml", "missing.toml")
    ]
    assert "its name is part of web addresses" in lines[0]
    assert "has the same name" in lines[3]
    assert "No such file" in lines[4]
