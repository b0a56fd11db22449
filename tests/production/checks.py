"""What must hold after a run, each with a line of what was found."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

WORKER = "sixfold-worker"
EXPECTED_ALERT = "SixfoldDown"
"""That of the worker that was killed, once; nothing else may fire."""
NOT_READY, NOT_READY_SECONDS = "SixfoldNotReady", 25.0
"""Workers that take so long to own their shards, on a crowded machine, may be said to be not ready: they are."""
EXPECTED_WARNINGS = {
    "dead_letters": "the load sends a few events that nobody can read",
    "quality": "webhooks of new contacts name no channel",
}
"""Findings of `sixfold doctor` that such a run has, and why."""


class Check(NamedTuple):
    """Whether something holds, and what was found."""

    name: str
    holds: bool
    found: str


def judge(found: Mapping[str, Any]) -> list[Check]:
    """All checks of a run."""
    return [*_figures(found), *_commands(found), *_alerts(found["alerts"], found["worker_killed"]), *_processes(found)]


def _figures(found: Mapping[str, Any]) -> Iterator[Check]:
    reports = found["reports"]
    for name, wanted in found["expected"].items():
        unit = " (tenths of USD)" if name in ("revenue", "spend") else ""
        shown = f"{reports[name]:,.0f}{unit}"
        said = shown if reports[name] == wanted else f"{shown} in the reports, {wanted:,} sent"
        yield Check(f"{name} as sent", reports[name] == wanted, said)
    outcomes = found["load"]["outcomes"]
    refused = {status: count for status, count in outcomes.items() if status not in ("200", "kafka")}
    yield Check("the gateway took everything", not refused, str(refused or f"{outcomes.get('200', 0):,} requests"))
    reader = {what: count for what, count in found["reader"].items() if not what.endswith((" 200", " 303", " 302"))}
    pages = found["reader"].get("page 200", 0)
    yield Check("readers were served", not reader and pages > 0, str(reader or f"{pages} pages"))
    short = found["events"] < 0.98 * found["rate"] * found["seconds"]
    yield Check("the load kept its rate", not short, f"{found['events']:,} events in {found['seconds']:.0f} s")


def _commands(found: Mapping[str, Any]) -> Iterator[Check]:
    audit, doctor = found["audit"], found["doctor"]
    yield Check("sixfold audit is empty", audit["code"] == 0, f"exit code {audit['code']}, {audit['printed']}")
    printed = doctor["printed"]
    checks = printed.get("checks", []) if isinstance(printed, dict) else []
    odd = [
        f"{each['check']} {each['state']}: {each['found']}"
        for each in checks
        if each["state"] != "ok" and not (each["state"] == "warning" and each["check"] in EXPECTED_WARNINGS)
    ]
    fine = doctor["code"] == 0 and bool(checks) and not odd
    yield Check("sixfold doctor finds what is expected", fine, "; ".join(odd) or f"{len(checks)} checks")
    yield Check("no log has a stack trace", not found["tracebacks"], str(found["tracebacks"] or "none"))


def _alerts(alerts: Mapping[str, Any], worker: Mapping[str, float]) -> Iterator[Check]:
    killed = alerts["killed_instance"]
    down = [each for each in alerts["fired"] if each["alertname"] == EXPECTED_ALERT and each["instance"] == killed]
    slow = max(worker["survivor_owns_all_seconds"], worker["both_ready_seconds"]) > NOT_READY_SECONDS
    true = [each for each in alerts["fired"] if slow and each["alertname"] == NOT_READY and each["job"] == WORKER]
    others = [f"{each['alertname']} {each}" for each in alerts["fired"] if each not in down and each not in true]
    also = f"none, but {NOT_READY} of a worker that was not ready for long" if true else "none"
    yield Check("no alert but the expected one", not others, "; ".join(others) or also)
    once = len(down) == 1 and len(down[0]["from_seconds"]) == 1
    where = str(down[0]["from_seconds"] + [down[0]["until_seconds"]]) if down else "it did not fire"
    yield Check(f"{EXPECTED_ALERT} of the killed worker fired once", once, where)
    told = alerts["told"]
    firing, resolved = (told.get(f"{EXPECTED_ALERT} {killed} {status}", 0) for status in ("firing", "resolved"))
    yield Check("its receiver was told, and told of its end", firing > 0 and resolved > 0, str(told))
    yield Check(
        "every rule works", not alerts["rules_not_ok"], "; ".join(alerts["rules_not_ok"]) or str(alerts["rules"])
    )
    empty = alerts["figures_without_value"]
    yield Check("every figure that rules compare is there", not empty, ", ".join(empty) or "all")
    yield Check("all targets are up at the end", not alerts["targets_down"], str(alerts["targets_down"] or "all"))


def _processes(found: Mapping[str, Any]) -> Iterator[Check]:
    wrong = {name: code for name, code in found["exit_codes"].items() if code}
    yield Check("everything ended in order", not wrong, str(wrong or "exit codes 0"))
    yield Check("nothing is left behind", not found["left"], str(found["left"] or "no process"))
