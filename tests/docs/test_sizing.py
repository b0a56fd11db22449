import json
from pathlib import Path

import pytest

from deploy.site.sizing import COLUMNS, enter, main

RESULT = dict.fromkeys(COLUMNS, 1234.56)


def test_figures_stand_between_the_marks_and_can_be_entered_again() -> None:
    page = "before\n<!-- bench -->\nold\n<!-- end -->\nafter\n"
    once = enter(page, [RESULT])
    assert once.startswith("before\n<!-- bench -->\n| events |")
    assert once.endswith("<!-- end -->\nafter\n")
    assert "| 1,235 | 1,234.6 |" in once
    assert "old" not in once
    assert enter(once, [RESULT]) == once


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("[]", "run make bench"), ('[{"events": 1}]', "has no cpu_us_per_event"), ("{", "Expecting")],
)
def test_a_file_that_is_none_is_said_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, complaint: str
) -> None:
    source, page = tmp_path / "bench.json", tmp_path / "page.md"
    source.write_text(text)
    page.write_text("<!-- bench -->\n<!-- end -->\n")
    assert main(source, page) == 2
    assert complaint in capsys.readouterr().err
    assert page.read_text() == "<!-- bench -->\n<!-- end -->\n"


def test_the_operations_page_has_the_marks() -> None:
    page = Path(__file__).parents[2] / "docs" / "operations.md"
    assert json.dumps(enter(page.read_text("utf-8"), [RESULT]))
