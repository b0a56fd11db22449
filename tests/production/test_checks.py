"""Every check of a run can fail, and says what was found."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.production.checks import judge
from tests.production.company import Company

Found = dict[str, Any]
KILLED = "127.0.0.1:9662"


def good() -> Found:
    """What is found after a run in which all is as it must be."""
    figures = {"leads": 90, "calls": 80, "answered": 60, "deals": 9, "revenue": 70_000, "spend": 900, "rejected": 8}
    down = {"alertname": "SixfoldDown", "job": "sixfold-worker", "instance": KILLED}
    return {
        "seconds": 60.0,
        "rate": 10.0,
        "events": 600,
        "load": {"outcomes": {"200": 12, "kafka": 3}},
        "expected": dict(figures),
        "reports": {name: float(value) for name, value in figures.items()},
        "reader": {"login 200": 1, "page 200": 5, "exporter 200": 5},
        "audit": {"code": 0, "printed": {"outcome": "clean"}},
        "doctor": {"code": 0, "printed": {"checks": [{"check": "brokers", "state": "ok", "found": ""}]}},
        "tracebacks": {},
        "alerts": {
            "fired": [{**down, "from_seconds": [60], "until_seconds": 80}],
            "told": {f"SixfoldDown {KILLED} firing": 1, f"SixfoldDown {KILLED} resolved": 1},
            "rules": 101,
            "rules_not_ok": [],
            "figures_without_value": [],
            "targets_down": [],
            "killed_instance": KILLED,
        },
        "worker_killed": {"survivor_owns_all_seconds": 12.0, "both_ready_seconds": 9.0},
        "exit_codes": {"worker-1": 0},
        "left": [],
    }


def changed(path: str, value: object) -> Callable[[Found], None]:
    def change(found: Found) -> None:
        *inner, last = path.split("/")
        for name in inner:
            found = found[name]
        found[last] = value

    return change


def fired_too(found: Found) -> None:
    other = {
        "alertname": "SixfoldNotReady",
        "job": "sixfold-worker",
        "instance": KILLED,
        "from_seconds": [70],
        "until_seconds": 75,
    }
    found["alerts"]["fired"].append({**other, "from_seconds": [70], "until_seconds": 75})


def flapped(found: Found) -> None:
    found["alerts"]["fired"][0]["from_seconds"] = [60, 72]


@pytest.mark.parametrize(
    ("change", "name", "said"),
    [
        (changed("reports/leads", 89.0), "leads as sent", "89 in the reports, 90 sent"),
        (changed("reports/revenue", 69_999.0), "revenue as sent", "69,999 (tenths of USD) in the reports, 70,000 sent"),
        (changed("reports/rejected", 9.0), "rejected as sent", "9 in the reports, 8 sent"),
        (changed("load/outcomes", {"200": 9, "503": 2}), "the gateway took everything", "{'503': 2}"),
        (changed("reader/page 500", 1), "readers were served", "{'page 500': 1}"),
        (changed("reader", {"login 200": 1}), "readers were served", "0 pages"),
        (changed("events", 500), "the load kept its rate", "500 events in 60 s"),
        (changed("audit/code", 1), "sixfold audit is empty", "exit code 1"),
        (
            changed("doctor/printed/checks", [{"check": "gaps", "state": "problem", "found": "3 are gone"}]),
            "sixfold doctor finds what is expected",
            "gaps problem: 3 are gone",
        ),
        (changed("doctor/printed", "no JSON"), "sixfold doctor finds what is expected", "0 checks"),
        (changed("tracebacks", {"exporter": 1}), "no log has a stack trace", "{'exporter': 1}"),
        (fired_too, "no alert but the expected one", "SixfoldNotReady"),
        (changed("alerts/fired", []), "SixfoldDown of the killed worker fired once", "it did not fire"),
        (flapped, "SixfoldDown of the killed worker fired once", "[60, 72, 80]"),
        (changed("alerts/told", {}), "its receiver was told, and told of its end", "{}"),
        (changed("alerts/rules_not_ok", ["x: bad"]), "every rule works", "x: bad"),
        (
            changed("alerts/figures_without_value", ["sixfold:figure:cpa"]),
            "every figure that rules compare is there",
            "cpa",
        ),
        (changed("alerts/targets_down", ["http://x"]), "all targets are up at the end", "http://x"),
        (changed("exit_codes", {"worker-1": -9}), "everything ended in order", "{'worker-1': -9}"),
        (changed("left", [4711]), "nothing is left behind", "[4711]"),
    ],
)
def test_what_is_wrong_fails_its_check_alone(change: Callable[[Found], None], name: str, said: str) -> None:
    found = good()
    assert [check.name for check in judge(found) if not check.holds] == []
    change(found)
    (failed,) = [check for check in judge(found) if not check.holds]
    assert failed.name == name
    assert said in failed.found


def test_a_warning_of_the_doctor_that_the_load_means_is_none() -> None:
    found = good()
    found["doctor"]["printed"]["checks"].append({"check": "dead_letters", "state": "warning", "found": "8 open ones"})
    assert all(check.holds for check in judge(found))


def test_a_worker_that_was_long_not_ready_may_be_told_of() -> None:
    found = good()
    fired_too(found)
    found["worker_killed"]["both_ready_seconds"] = 40.0
    assert all(check.holds for check in judge(found))
    found["alerts"]["fired"][-1]["job"] = "sixfold-exporter"
    assert not all(check.holds for check in judge(found))


def test_the_same_history_has_the_same_figures() -> None:
    first, second = Company(), Company()
    told = first.history(400)
    second.history(400)
    assert first.expected == second.expected
    assert first.expected.leads == 400 - 8 - 2  # merged and deleted
    assert first.expected.calls == 400
    assert len(told) > 1_200
