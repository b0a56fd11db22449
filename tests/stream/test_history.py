"""Snapshots, and what moved since: figures, and the records that moved them."""

import json
import os
import secrets
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from stream import history
from stream.cli import main
from stream.history import Diff, NoSnapshot
from tests.clickhouse import ClickHouseServer
from tests.pages import Company, company_of
from tests.stream.cases import call, deal, event, lead, opportunity, touch


@pytest.fixture
def company(clickhouse_server: ClickHouseServer) -> Iterator[Company]:
    with company_of(clickhouse_server, f"history_{secrets.token_hex(4)}", events=0) as found:
        yield found


def spend(day: str, amount: str, time: str = "2026-03-20", **rest: Any) -> bytes:
    known = {"platform": "google_ads", "date": day, "amount": amount, "currency": "USD", "campaign_id": "a", **rest}
    return event("crm.spend.posted", time, **known)


def won(name: str, lead_id: str | None, created: str, closed: str, amount: str, **rest: Any) -> list[bytes]:
    linked = {"lead_id": lead_id} if lead_id else {}
    return [
        opportunity(name, created, amount=amount, currency="USD", owner_id="r1", **linked, **rest),
        deal("won", name, closed),
    ]


SOME = ("campaign_revenue", "finance", "opportunities", "calls")

BEGINNING = [
    event("crm.campaign.upserted", "2026-01-01", campaign_id="a", name="Alpha"),
    event("crm.campaign.upserted", "2026-01-01", campaign_id="b", name="Beta"),
    lead("l1", "2026-02-01", campaign_id="a", channel="cpc"),
    lead("l2", "2026-02-02", campaign_id="b", channel="email"),
    touch("t1", "l2", "2026-02-03", campaign_id="a", channel="cpc"),
    *won("o1", "l1", "2026-02-05", "2026-02-10", "1000", cost="400"),
    *won("o2", "l2", "2026-02-06", "2026-02-11", "500"),
    opportunity("o3", "2026-02-07", amount="70", currency="USD", owner_id="r1", due_date="2026-04-01"),
    call("c1", "2026-02-08", rep_id="r1", status="answered", talk_seconds=60, lead_id="l1"),
    spend("2026-02-01", "200"),
]


def differ(company: Company, report: str, **rest: Any) -> Diff:
    return history.diff(company.client, report, date(2148, 1, 1), **rest)


def figures(diff: Diff) -> dict[tuple[Any, ...], tuple[Decimal, Decimal]]:
    return {(str(each.period)[:7], *each.place.values(), each.measure): (each.was, each.now) for each in diff.figures}


def explained(diff: Diff) -> None:
    """What the records add is what moved, to the last figure."""
    assert diff.totals
    for measure, (was, now, by_records) in diff.totals.items():
        assert abs(now - was - by_records) <= Decimal("0.001"), measure


def test_without_a_snapshot_there_is_nothing_to_compare_with(company: Company) -> None:
    with pytest.raises(NoSnapshot, match="sixfold history take"):
        differ(company, "calls")
    company.tell(*BEGINNING)
    history.take(company.client)
    with pytest.raises(NoSnapshot, match="after 2020-01-01"):
        history.diff(company.client, "calls", date(2020, 1, 1))


def test_what_did_not_move_is_not_written_again(company: Company) -> None:
    company.tell(*BEGINNING)
    first, second = history.take(company.client), history.take(company.client)
    assert first.rows > 20
    assert first.records > 8
    assert (second.rows, second.records) == (0, 0)
    assert not second.moved
    for report in SOME:
        found = differ(company, report)
        assert (found.figure_count, found.cause_count, found.totals) == (0, 0, {}), report
    company.tell(call("c2", "2026-02-09", rep_id="r1", status="missed"))
    third = history.take(company.client)
    assert (third.rows, third.records) == (1, 1), "one row of report_calls, one call"


def test_late_and_corrected_records_are_named(company: Company) -> None:
    company.tell(*BEGINNING)
    history.take(company.client)
    company.tell(
        *won("o4", "l1", "2026-02-12", "2026-02-20", "250"),  # late
        event("crm.opportunity.updated", "2026-03-02", opportunity_id="o1", amount="1300"),  # corrected
        event("crm.opportunity.deleted", "2026-03-02", opportunity_id="o2"),  # gone
    )
    found = differ(company, "campaign_revenue")
    assert figures(found) == {
        ("2026-02", "a", "cpc", "deals"): (1, 2),
        ("2026-02", "b", "email", "deals"): (1, 0),
        ("2026-02", "a", "cpc", "revenue"): (1000, 1550),
        ("2026-02", "b", "email", "revenue"): (500, 0),
    }
    assert found.totals["revenue"] == (1500, 1550, 50)
    explained(found)
    causes = {cause.identity["opportunity_id"]: cause for cause in found.causes}
    assert {name: cause.what for name, cause in causes.items()} == {"o4": "late", "o1": "changed", "o2": "gone"}
    assert {name: tuple(map(Decimal, change)) for name, change in causes["o1"].changes.items()} == {
        "revenue": (1000, 1300)
    }
    (move,) = causes["o1"].moves
    assert (move.measure, str(move.day), move.was, move.now) == ("revenue", "2026-02-10", 1000, 1300)
    assert move.place == {"campaign_id": "a", "channel": "cpc"}


def test_a_record_that_changed_places_moves_two_figures(company: Company) -> None:
    """The touch that led to the deal turns out to be of another campaign: nothing is added, and yet figures move."""
    company.tell(*BEGINNING)
    history.take(company.client)
    company.tell(event("crm.lead.updated", "2026-03-02", lead_id="l1", campaign_id="b", channel="email"))
    found = differ(company, "campaign_revenue")
    assert figures(found)["2026-02", "a", "cpc", "revenue"] == (1000, 0)
    assert figures(found)["2026-02", "b", "email", "revenue"] == (500, 1500)
    assert found.totals["revenue"] == (1500, 1500, 0)
    (cause,) = found.causes
    assert cause.what == "changed"
    assert cause.changes["campaign_id"] == ("a", "b")
    assert sorted(
        (each.place["campaign_id"], each.now - each.was) for each in cause.moves if each.measure == "revenue"
    ) == [
        ("a", -1000),
        ("b", 1000),
    ]
    leads = differ(company, "leads_by_channel")
    assert {key: moved for key, moved in figures(leads).items() if key[2] == "leads"} == {
        ("2026-02", "cpc", "leads"): (1, 0),
        ("2026-02", "email", "leads"): (1, 2),
    }
    explained(leads)


@pytest.mark.parametrize("report", history.KEPT)
def test_records_explain_what_moved_in_every_report(company: Company, report: str) -> None:
    company.tell(*BEGINNING)
    history.take(company.client)
    company.tell(
        lead("l3", "2026-02-14", campaign_id="b", channel="email", lead_magnet="guide", stage="mofu"),
        event("crm.lead.updated", "2026-03-02", lead_id="l1", channel="social"),
        *won("o5", "l3", "2026-02-15", "2026-02-16", "77.7777", cost="7"),
        *won("o6", None, "2026-02-15", "2026-02-17", "11", campaign_id="b", account_id="acme"),
        event("crm.opportunity.updated", "2026-03-02", opportunity_id="o3", amount="90", due_date="2026-05-01"),
        call("c2", "2026-02-09", rep_id="r1", status="missed", direction="inbound"),
        event("crm.call.logged", "2026-03-02", call_id="c1", talk_seconds=90),
        spend("2026-02-01", "150", time="2026-03-21", visitors=40),
        spend("2026-02-02", "30", category="fees"),
    )
    found = differ(company, report)
    assert found.figure_count
    assert found.cause_count
    explained(found)


def test_days_from_the_snapshots_own_on_are_no_news(company: Company) -> None:
    company.tell(*BEGINNING)
    taken = history.take(company.client)
    # the day of an event may lie ahead, as long as its time does not
    company.tell(spend(str(taken.day), "5"), spend(str(taken.day - timedelta(days=1)), "7"))
    found = differ(company, "expenses", grain="day")
    assert [(str(each.period), each.now) for each in found.figures] == [(str(taken.day - timedelta(days=1)), 7)]
    assert [cause.what for cause in found.causes] == ["late"]
    everything = differ(company, "expenses", grain="day", newer=True)
    assert {(each.what, each.moves[0].now) for each in everything.causes} == {("late", 7), ("new", 5)}


def test_only_what_is_asked_for(company: Company) -> None:
    company.tell(*BEGINNING)
    history.take(company.client)
    company.tell(*won("o4", "l1", "2026-02-12", "2026-02-20", "250"), *won("o7", "l2", "2026-02-12", "2026-02-21", "5"))
    found = differ(company, "campaign_revenue", where={"campaign_id": ["b"]})
    assert {each.place["campaign_id"] for each in found.figures} == {"b"}
    assert [cause.identity["opportunity_id"] for cause in found.causes] == ["o7"]
    explained(found)


def test_what_no_record_explains_is_said(company: Company) -> None:
    """A budget is not kept record by record; another currency moves every amount without an event."""
    company.tell(*BEGINNING)
    history.take(company.client)
    company.tell(event("crm.campaign.upserted", "2026-03-01", campaign_id="a", budget="5000", currency="USD"))
    found = differ(company, "profitability")
    assert found.totals["budget"] == (0, 5000, 0)
    company.tell(event("crm.rate.posted", "2026-03-01", date="2026-01-01", base="EUR", quote="USD", rate="2"))
    company.client.command(
        "INSERT INTO view_settings SELECT * REPLACE ('linear' AS attribution_model, version + 1 AS version) "
        "FROM view_settings FINAL"
    )
    found = differ(company, "profitability")
    assert found.settings == {"attribution_model": ("first", "linear")}


def test_each_snapshot_is_a_state_of_its_own(company: Company) -> None:
    company.tell(*BEGINNING)
    instants = [history.take(company.client).taken_at]
    for amount in ("1100", "1200"):
        company.tell(event("crm.opportunity.updated", f"2026-03-0{amount[1]}", opportunity_id="o1", amount=amount))
        instants.append(history.take(company.client).taken_at)
    for instant, revenue in zip(instants, (1000, 1100, 1200), strict=True):
        found = history.diff(company.client, "finance", instant)
        assert found.snapshot.taken_at == instant
        assert figures(found).get(("2026-02", "revenue")) == ((revenue + 500, 1700) if revenue != 1200 else None)


def test_giving_up_snapshots_leaves_what_later_ones_rest_on(company: Company) -> None:
    company.tell(*BEGINNING)
    first = history.take(company.client)
    company.tell(
        event("crm.opportunity.updated", "2026-03-01", opportunity_id="o1", amount="1100"),
        event("crm.opportunity.deleted", "2026-03-02", opportunity_id="o2"),
    )
    second = history.take(company.client)
    company.tell(event("crm.opportunity.updated", "2026-03-03", opportunity_id="o1", amount="1200"))
    third = history.take(company.client)
    before = {report: history.diff(company.client, report, second.taken_at) for report in SOME}
    company.client.command(
        "ALTER TABLE history_snapshots UPDATE day = day - 10 WHERE taken_at = {t:DateTime64(3, 'UTC')}",
        parameters={"t": first.taken_at},
        settings={"mutations_sync": 2},
    )
    rows = int(company.client.query("SELECT count() FROM history_rows").result_rows[0][0])
    assert history.prune(company.client, first.day - timedelta(days=5)) == 1
    assert [each.taken_at for each in history.snapshots(company.client)] == [second.taken_at, third.taken_at]
    assert int(company.client.query("SELECT count() FROM history_rows").result_rows[0][0]) < rows
    for report, found in before.items():
        after = history.diff(company.client, report, second.taken_at)
        assert (after.figures, after.totals, after.causes) == (found.figures, found.totals, found.causes), report
    assert history.prune(company.client, date(2148, 1, 1)) == 1, "the newest stays"
    assert [each.taken_at for each in history.snapshots(company.client)] == [third.taken_at]
    assert figures(history.diff(company.client, "finance", third.taken_at)) == {}


def test_a_snapshot_that_was_cut_short_counts_for_nothing(company: Company) -> None:
    company.tell(*BEGINNING)
    history.take(company.client)
    # as if everything had been gone, and the process then killed before it wrote the snapshot itself
    company.client.command(
        "INSERT INTO history_rows SELECT report, day, place, now64(3, 'UTC'), 1, map() FROM history_rows"
    )
    company.client.command(
        "INSERT INTO history_records SELECT kind, record, now64(3, 'UTC'), 1, root, map() FROM history_records"
    )
    second = history.take(company.client)
    assert (second.rows, second.records) == (0, 0), "nothing differs from the last whole snapshot"
    for report in SOME:
        assert differ(company, report).figure_count == 0


def test_one_snapshot_a_day_is_due(company: Company) -> None:
    assert not history.is_due(company.client), "nothing to keep"
    company.tell(*BEGINNING)
    assert history.is_due(company.client)
    history.take(company.client)
    assert not history.is_due(company.client)
    company.client.command("ALTER TABLE history_snapshots UPDATE day = day - 1 WHERE 1", settings={"mutations_sync": 2})
    assert history.is_due(company.client)


# -- the commands

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    for name in [name for name in os.environ if name.startswith("SIXFOLD_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIXFOLD_CLICKHOUSE_URL", company.settings.clickhouse_url.get_secret_value())

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        return (code, *capsys.readouterr())

    return run


def test_the_commands_tell_the_same(run: Run, company: Company) -> None:
    company.tell(*BEGINNING)
    code, out, _ = run("history", "list")
    assert (code, out) == (0, "no snapshots yet; sixfold history take makes one\n")
    code, out, _ = run("history", "take", "--json")
    assert code == 0
    assert json.loads(out)["rows"] > 20
    code, out, _ = run("history", "take", "--if-due")
    assert "there is a snapshot of this day" in out
    code, out, _ = run("history", "list", "--json")
    (taken,) = json.loads(out)
    day = taken["day"]
    code, out, _ = run("diff", "campaign_revenue", "--since", day)
    assert code == 0
    assert "no figure moved" in out
    company.tell(*won("o4", "l1", "2026-02-12", "2026-02-20", "250"))
    code, out, _ = run("diff", "report_campaign_revenue", "--since", day, "--by", "quarter", "--where", "channel=cpc")
    assert code == 0
    assert "2026-01-01" in out, "the quarter"
    assert "late" in out
    assert "o4/l1" in out
    code, out, _ = run("diff", "campaign_revenue", "--since", day, "--json")
    found = json.loads(out)
    assert found["totals"]["revenue"] == {"then": 1500, "now": 1750, "difference": 250, "explained": 250}
    assert found["records"][0]["what"] == "late"
    assert found["records"][0]["opportunity_id"] == "o4"
    assert found["days_before"] == day
    code, out, _ = run("history", "prune", "--days", "1", "--json")
    assert json.loads(out) == {"pruned": 0}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["diff", "cals", "--since", "2026-01-01"], "no history is kept of cals; did you mean calls?"),
        (["diff", "calls", "--since", "soon"], "--since takes a day, YYYY-MM-DD, or an instant, not soon"),
        (["diff", "calls", "--since", "2026-01-01T00:00:00"], "needs an offset"),
        (["diff", "calls", "--since", "2026-01-01", "--where", "model=first"], "a key of the report (rep_id, team"),
        (["diff", "calls", "--since", "2026-01-01"], "there is no snapshot yet"),
        (["history", "prune", "--days", "3", "--before", "2026-01-01"], "give --before or --days, not both"),
    ],
)
def test_what_cannot_be_compared_is_said_in_one_line(run: Run, arguments: list[str], says: str) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert says in err
    assert len(err.splitlines()) == 1
