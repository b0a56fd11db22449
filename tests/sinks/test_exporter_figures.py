"""Every series of the exporter is the figure of its view: computed here from other views, member by member."""

import json
import random
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from clickhouse_connect.driver.client import Client

from deploy.embedded.company import records
from schemas import REASONS
from sinks.kpi import QUERIES
from sinks.migrate import ViewSettings, migrate
from stream.rules import Rules
from tests.clickhouse import ClickHouseServer
from tests.sinks.folded import Folder
from tests.sinks.scraping import Series, exporter_of, labelled, refresh, scrape


def other_zone() -> str:
    """A time zone in which it is another day than in UTC now."""
    return "Pacific/Kiritimati" if datetime.now(UTC).hour >= 10 else "Etc/GMT+12"


@pytest.fixture(scope="module")
def company(clickhouse_server: ClickHouseServer) -> Iterator[tuple[Client, str]]:
    """A quarter that ends now in a zone of another day, with more members than are shown, and what it lacks itself."""
    zone = other_zone()
    name = f"exporter_{secrets.token_hex(4)}"
    server = clickhouse_server.connect()
    view_settings = ViewSettings(time_zone=zone, partitions=1, attribution_model="last")
    migrate(server, name, view_settings)
    client = clickhouse_server.connect(name)
    now = datetime.now(UTC)
    values = [record.value for record in records(21, now, 3_000, golden=False)]
    values += list(_more(now, zone))
    Folder(client, Rules(time_zone=zone)).fold(values)
    yield client, zone
    client.close()
    server.command(f"DROP DATABASE {name}")
    server.close()


def _more(now: datetime, zone: str) -> Iterator[bytes]:
    """Reps, campaigns, teams and calls beyond the twenty; targets; dead letters; a quiet source."""
    chance, stages = random.Random(5), (None, "mofu", "bofu")
    month = f"{now.astimezone(ZoneInfo(zone)):%Y-%m}"

    def event(kind: str, at: datetime, source: str = "more", **data: Any) -> bytes:
        document = {
            "id": secrets.token_hex(6),
            "source": source,
            "type": f"crm.{kind}",
            "time": at.isoformat(),
            "data": data,
        }
        return json.dumps(document).encode()

    for number in range(30):
        yield event("rep.upserted", now, rep_id=f"x{number}", name=f"Rep {number}", team=f"Team {number % 25}")
        yield event("campaign.upserted", now, campaign_id=f"c{number}", name=f"Campaign {number}", budget=100 + number,
                    currency="USD")  # fmt: skip
        for back in range(chance.randint(1, 6)):
            moment = now - timedelta(days=chance.randint(0, 33), minutes=chance.randint(1, 110))
            yield event("spend.posted", moment, platform="meta", date=f"{moment:%Y-%m-%d}", amount=chance.randint(1, 9),
                        currency="USD", campaign_id=f"c{number}", account_id=str(back))  # fmt: skip
            yield event("lead.created", moment, lead_id=f"l{number}-{back}", campaign_id=f"c{number}",
                        channel=f"channel {number}")  # fmt: skip
            for call in range(3):
                status = chance.choice(["answered", "missed", "busy"])
                yield event("call.logged", moment, call_id=f"k{number}-{back}-{call}", rep_id=f"x{number}",
                            direction=chance.choice(["inbound", "outbound"]), status=status,
                            started_at=(moment + timedelta(minutes=call)).isoformat(),
                            talk_seconds=chance.randint(5, 600), advanced_to=chance.choice(stages))  # fmt: skip
            yield event("opportunity.created", moment, opportunity_id=f"o{number}-{back}", owner_id=f"x{number}",
                        lead_id=f"l{number}-{back}", amount=str(chance.randint(1, 10_000) / 100), currency="USD",
                        probability=0.3, cost=1,
                        due_date=f"{moment + timedelta(days=chance.randint(10, 70)):%Y-%m-%d}")  # fmt: skip
    # also on the first day of a month there is a campaign that has spent and won a customer in it
    today: dict[str, Any] = {"campaign_id": "c0", "currency": "USD"}
    yield event("spend.posted", now, platform="meta", date=f"{now.astimezone(ZoneInfo(zone)):%Y-%m-%d}", amount=5,
                account_id="today", **today)  # fmt: skip
    yield event("lead.created", now, lead_id="today", campaign_id="c0", channel="channel 0")
    yield event("deal.won", now, opportunity_id="today", lead_id="today", amount=70, owner_id="x0", **today)
    for metric, scope in (
        ("revenue", "company"), ("leads", "company"), ("calls", "company"), ("won_deals", "company"),
        ("revenue", "team/South"), ("revenue", "team/"), ("revenue", "rep/x1"), ("calls", "rep/x2"),
        ("leads", "campaign/c3"), ("revenue", "campaign/c4"), ("leads", "rep/nobody"),
    ):  # fmt: skip
        yield event("target.posted", now, metric=metric, scope=scope, month=month, value=chance.randint(1, 50))
    for minute in range(4):
        yield event("lead.created", now - timedelta(hours=5, minutes=minute), source="quiet", lead_id=f"q{minute}")
    yield b"not json"


class Figures:
    """Figures computed from the views in another way than the exporter's: member by member, window by window."""

    def __init__(self, client: Client, zone: str, most: int) -> None:
        self.client, self.most = client, most
        self.today = datetime.now(ZoneInfo(zone)).date()
        first = self.today.replace(day=1)
        self.windows = {
            "today": self.today,
            "7d": self.today - timedelta(days=6),
            "30d": self.today - timedelta(days=29),
            "mtd": first,
        }
        self.next_month = (first + timedelta(days=31)).replace(day=1)
        self.series: Series = {}

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.client.query(sql).result_rows]

    def sums(self, view: str, key: str, since: date, *measures: str) -> dict[str, list[float]]:
        """Sums by member from a day to today; the total as `(all)`."""
        what = ", ".join(f"toFloat64(sum({measure}))" for measure in measures)
        found = {
            member: list(figures)
            for member, *figures in self.rows(
                f"SELECT toString({key}) AS member, {what} FROM {view}"
                f" WHERE day BETWEEN '{since}' AND '{self.today}' GROUP BY member"
            )
        }
        found["(all)"] = [sum(column) for column in zip(*found.values(), strict=True)] or [0.0] * len(measures)
        return found

    def top(self, ranking: Mapping[str, Sequence[float]]) -> list[str]:
        members = [member for member in ranking if member != "(all)"]
        return sorted(members, key=lambda member: ([-figure for figure in ranking[member]], member))[: self.most]

    def put(
        self,
        name: str,
        part: str,
        dimension: str,
        names: Mapping[str, str],
        top: Sequence[str],
        figures: Mapping[str, Any],
        *,
        label: str = "window",
    ) -> None:
        """The series of one metric, slice and dimension; a pair is a numerator and a denominator."""
        figures = dict(figures)
        nothing = (0.0, 0.0) if any(isinstance(value, tuple) for value in figures.values()) else 0.0
        total = figures.pop("(all)", nothing)
        shown = {member: figures.get(member, nothing) for member in top}
        rest = [value for member, value in figures.items() if member not in top]
        if dimension == "all":
            shown = {"(all)": total}
        elif rest:
            shown["(other)"] = tuple(map(sum, zip(*rest, strict=True))) if nothing else sum(rest)
        for member, value in shown.items():
            if isinstance(value, tuple):
                if not value[1]:
                    continue
                value = value[0] / value[1]
            labels = {"dimension": dimension, "member": member, "name": names.get(member) or member}
            if part:
                labels[label] = part
            self.series[labelled(name, **labels)] = value


def pairs_of(a: Mapping[str, Sequence[float]], i: int, b: Mapping[str, Sequence[float]], j: int) -> dict[str, Any]:
    keys = a.keys() | b.keys()
    nothing = [0.0] * 9
    return {key: (a.get(key, nothing)[i], b.get(key, nothing)[j]) for key in keys}


def column(found: Mapping[str, Sequence[float]], index: int) -> dict[str, float]:
    return {key: figures[index] for key, figures in found.items()}


def acquisition(figures: Figures) -> None:
    """Leads from the funnel, revenue from the campaigns' own report: not where the exporter reads them."""
    names = dict(figures.rows("SELECT DISTINCT campaign_id, campaign FROM report_funnel WHERE campaign != ''"))
    names |= dict(figures.rows("SELECT DISTINCT campaign_id, campaign FROM report_profitability WHERE campaign != ''"))
    month = figures.windows["30d"]

    def of(since: date) -> tuple[dict[str, list[float]], ...]:
        last = "(SELECT * FROM report_campaign_revenue WHERE model = 'last')"
        return (
            figures.sums("report_funnel", "campaign_id", since, "leads", "customers", "bofu"),
            figures.sums(last, "campaign_id", since, "revenue", "deals"),
            figures.sums("report_profitability", "campaign_id", since, "spend", "cost", "cost + spend", "contribution"),
        )

    funnel, sold, spent = of(month)
    members = (funnel.keys() | sold.keys() | spent.keys()) - {"(all)"}
    ranking = {
        m: [spent.get(m, [0])[0], sold.get(m, [0])[0], funnel.get(m, [0])[0]] for m in members
    }  # fmt: skip
    top = figures.top(ranking)
    for window, since in figures.windows.items():
        funnel, sold, spent = of(since)
        everybody = dict.fromkeys(ranking, 0.0)
        for dimension in ("all", "campaign"):
            for name, found, index in (("leads", funnel, 0), ("revenue", sold, 0), ("spend", spent, 0)):
                figures.put(f"kpi_{name}", window, dimension, names, top, everybody | column(found, index))
            if dimension == "all" or window in ("7d", "30d"):
                for name, pairs in (
                    ("roas_ratio", pairs_of(sold, 0, spent, 0)), ("roi_ratio", pairs_of(spent, 3, spent, 2)),
                    ("cpl", pairs_of(spent, 0, funnel, 0)), ("cpa", pairs_of(spent, 0, funnel, 1)),
                ):  # fmt: skip
                    nobody = dict.fromkeys(ranking, (0.0, 0.0))
                    figures.put(f"kpi_{name}", window, dimension, names, top, nobody | pairs)
        for name, found, index in (
            ("customers", funnel, 1), ("opportunities", funnel, 2), ("won_deals", sold, 1), ("cost", spent, 1),
            ("contribution", spent, 3),
        ):  # fmt: skip
            figures.put(f"kpi_{name}", window, "all", names, top, column(found, index))
        margin = {"(all)": sold["(all)"][0] - spent["(all)"][1]}
        figures.put("kpi_gross_margin", window, "all", names, top, margin)
        figures.put("kpi_gross_margin_ratio", window, "all", {}, [], {"(all)": (margin["(all)"], sold["(all)"][0])})
        unattributed = figures.sums(
            "(SELECT * FROM report_campaign_revenue WHERE model = 'last')", "channel", since, "revenue"
        )
        share = (unattributed.get("(unattributed)", [0.0])[0], unattributed["(all)"][0])
        figures.put("kpi_unattributed_revenue_ratio", window, "all", {}, [], {"(all)": share})


def channels(figures: Figures) -> None:
    view = "report_lead_sources"
    ranking = figures.sums(view, "channel", figures.windows["30d"], "leads", "revenue", "spend")
    top = figures.top(ranking)
    for window, since in figures.windows.items():
        leads_ = figures.sums("report_leads_by_channel", "channel", since, "leads", "customers")
        money = figures.sums(view, "channel", since, "revenue", "spend")
        everybody = dict.fromkeys(set(ranking) - {"(all)"}, 0.0)
        for name, found, index in (
            ("leads", leads_, 0), ("customers", leads_, 1), ("revenue", money, 0), ("spend", money, 1),
        ):  # fmt: skip
            figures.put(f"kpi_{name}", window, "channel", {}, top, everybody | column(found, index))
        if window in ("7d", "30d"):
            nobody = dict.fromkeys(everybody, (0.0, 0.0))
            for name, pairs in (
                ("roas_ratio", pairs_of(money, 0, money, 1)), ("cpl", pairs_of(money, 1, leads_, 0)),
                ("cpa", pairs_of(money, 1, leads_, 1)),
            ):  # fmt: skip
                figures.put(f"kpi_{name}", window, "channel", {}, top, nobody | pairs)


def calls(figures: Figures) -> None:
    """From the records, where the exporter reads the report."""
    names = dict(figures.rows("SELECT DISTINCT rep_id, rep FROM fact_calls"))
    team = "if(team = '', '(none)', team)"
    for dimension, key in (("all", "'x'"), ("rep", "rep_id"), ("team", team)):
        ranking = figures.sums("fact_calls", key, figures.windows["30d"], "1")
        top = figures.top(ranking)
        for window, since in figures.windows.items():
            found = figures.sums(
                "fact_calls", key, since, "1", "answered", "talk_seconds * answered", "advanced_mofu + advanced_bofu",
                "NOT answered",
            )  # fmt: skip
            everybody = dict.fromkeys(set(ranking) - {"(all)"}, 0.0)
            for name, index in (("calls", 0), ("answered_calls", 1), ("advances", 3), ("missed_calls", 4)):
                if name != "missed_calls" or dimension != "rep":
                    figures.put(f"kpi_{name}", window, dimension, names, top, everybody | column(found, index))
            nobody = dict.fromkeys(everybody, (0.0, 0.0))
            answered = nobody | pairs_of(found, 1, found, 0)
            figures.put("kpi_answer_ratio", window, dimension, names, top, answered)
            talk = nobody | pairs_of(found, 2, found, 1)
            figures.put("kpi_average_talk_seconds", window, dimension, names, top, talk)
        recent = dict(
            figures.rows(
                f"SELECT toString({key}) AS member, countIf(dateDiff('second', started_at, now64(6)) < 3600)"
                f" FROM fact_calls WHERE day BETWEEN '{figures.windows['30d']}' AND '{figures.today}' GROUP BY member"
            )
        )
        recent["(all)"] = sum(recent.values())
        figures.put("kpi_calls_last_hour", "", dimension, names, top, recent)
        if dimension == "rep":
            _in_a_row(figures, names, top)


def _in_a_row(figures: Figures, names: Mapping[str, str], top: Sequence[str]) -> None:
    history = defaultdict(list)
    for rep, direction, answered in figures.rows(
        "SELECT rep_id, direction, answered FROM fact_calls"
        f" WHERE day BETWEEN '{figures.windows['30d']}' AND '{figures.today}' ORDER BY started_at DESC, call_id DESC"
    ):
        history[rep].append((direction, answered))
    teams = dict(figures.rows("SELECT rep_id, team_today FROM base_reps"))
    for rep in top:
        for wanted in ("(all)", "inbound"):
            missed = 0
            for direction, answered in history[rep]:
                if wanted in ("(all)", direction):
                    if answered:
                        break
                    missed += 1
            labels = {"dimension": "rep", "member": rep, "name": names[rep] or rep, "direction": wanted}
            figures.series[labelled("kpi_consecutive_missed_calls", **labels)] = missed
        info = {"member": rep, "name": names[rep] or rep, "team": teams.get(rep) or "(none)"}
        figures.series[labelled("kpi_rep_info", **info)] = 1


def sales(figures: Figures) -> None:
    """From the list of opportunities, and the facts."""
    opens = figures.rows(
        "SELECT if(team = '', '(none)', team), owner_id, toFloat64(estimated_revenue), due_date,"
        " toFloat64(estimated_revenue) * ifNull(probability, 0) FROM opportunity_list WHERE status = 'open'"
    )
    month = figures.windows["mtd"]
    dues: dict[str, Callable[[date | None], bool]] = {
        "overdue": lambda due: due is not None and due < figures.today,
        "this_month": lambda due: due is not None and figures.today <= due < figures.next_month,
        "next_month": lambda due: (
            due is not None and figures.next_month <= due < (figures.next_month + timedelta(days=31)).replace(day=1)
        ),
    }
    for dimension in ("all", "team"):
        members: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        for row in opens:
            members[row[0]].append(row)
        pipeline = {key: [sum(r[2] for r in rows), sum(r[4] for r in rows), len(rows)] for key, rows in members.items()}
        top = figures.top({key: [value[0]] for key, value in pipeline.items()})
        pipeline["(all)"] = [sum(column) for column in zip(*pipeline.values(), strict=True)]
        for name, index in (("revenue", 0), ("weighted_revenue", 1), ("opportunities", 2)):
            figures.put(f"kpi_pipeline_{name}", "", dimension, {}, top, column(pipeline, index))
        weighted = {key: sum(r[4] for r in rows) for key, rows in members.items()}
        top = figures.top({key: [value] for key, value in weighted.items()})
        for due, fits in dues.items():
            found = {key: sum(r[4] for r in rows if fits(r[3])) for key, rows in members.items()}
            found["(all)"] = sum(found.values())
            figures.put("kpi_forecast_revenue", due, dimension, {}, top, found, label="due")
    rep_names = dict(figures.rows("SELECT rep_id, rep FROM base_reps"))
    campaign_names = dict(figures.rows("SELECT campaign_id, campaign FROM base_campaigns"))
    targets = figures.rows(
        "SELECT metric, scope, toFloat64(target), toFloat64(actual), attainment FROM report_targets"
        f" WHERE month = '{month}'"
    )
    assert len(targets) <= 40
    for metric, scope, target, actual, attainment in targets:
        kind, _, identifier = scope.partition("/")
        known = {"rep": rep_names, "campaign": campaign_names}.get(kind, {})
        labels = {"metric": metric, "scope": scope, "name": known.get(identifier) or identifier or kind}
        if scope == "team/":
            labels["name"] = ""
        figures.series[labelled("kpi_target", **labels)] = target
        figures.series[labelled("kpi_target_attainment_ratio", **labels)] = attainment
        if metric == "revenue" and kind != "campaign":
            open_team = (identifier or "(none)") if kind == "team" else None
            due = sum(
                row[4] for row in opens
                if dues["this_month"](row[3])
                and open_team in (None, row[0])
                and (kind != "rep" or row[1] == identifier)
            )  # fmt: skip
            figures.series[labelled("kpi_target_forecast", **labels)] = actual + due


def trust(figures: Figures) -> None:
    for check, failing, share in figures.rows("SELECT check, failing, share FROM report_quality"):
        figures.series[labelled("kpi_quality_failing", check=check)] = failing
        if share is not None:
            figures.series[labelled("kpi_quality_failing_ratio", check=check)] = share
    for reason in REASONS:
        ((count,),) = figures.rows(
            f"SELECT count() FROM dead_letter_list WHERE state = 'open' AND reason = '{reason}'"
            " AND received_at > now() - 86400"
        )
        figures.series[labelled("kpi_dead_letters", reason=str(reason))] = count
    sources = figures.rows("SELECT source, last_event_time, quiet FROM report_sources")
    assert len(sources) <= 20
    for source, last, quiet in sources:
        figures.series[labelled("kpi_source_quiet", source=source)] = quiet
        seconds = last.replace(tzinfo=UTC).timestamp() if last.tzinfo is None else last.timestamp()
        figures.series[labelled("kpi_source_last_event_timestamp_seconds", source=source)] = seconds
    figures.series[labelled("kpi_quiet_sources")] = sum(quiet for *_, quiet in sources)
    for metric, name in (
        ("answer_rate", "answer_ratio"),
        ("avg_talk_seconds", "average_talk_seconds"),
        ("advance_rate", "advance_ratio"),
    ):
        ((value,),) = figures.rows(
            f"SELECT argMax(toFloat64(value), valid_from) FROM benchmarks FINAL WHERE metric = '{metric}'"
            f" AND valid_from <= '{figures.today}'"
        )
        figures.series[labelled(f"kpi_benchmark_{name}")] = value
    names = dict(figures.rows("SELECT campaign_id, campaign FROM base_campaigns"))
    spent = figures.sums("report_profitability", "campaign_id", figures.windows["30d"], "spend")
    budgets = dict(
        figures.rows(
            "SELECT campaign_id, toFloat64(sum(budget)) AS b FROM report_profitability GROUP BY 1 HAVING b > 0"
        )
    )
    top = figures.top({key: spent.get(key, [0.0]) for key in budgets})
    assert len(budgets) > len(top)
    for window, since in (("mtd", figures.windows["mtd"]), ("all_time", date(1970, 1, 1))):
        used = figures.sums("report_profitability", "campaign_id", since, "spend")
        for member in top:
            labels = {"dimension": "campaign", "member": member, "name": names[member]}
            figures.series[labelled("kpi_budget", **labels)] = budgets[member]
            figures.series[labelled("kpi_budget_used_ratio", window=window, **labels)] = (
                used.get(member, [0.0])[0] / budgets[member]
            )


def near(figure: Any) -> Any:
    """Sums of figures that are rounded at the 4th decimal."""
    return pytest.approx(figure, rel=1e-9, abs=1e-3) if isinstance(figure, int | float) else figure


def test_every_series_is_the_figure_of_its_view(company: tuple[Client, str]) -> None:
    client, zone = company
    assert datetime.now(ZoneInfo(zone)).date() != datetime.now(UTC).date()
    exporter = exporter_of(client)
    refresh(exporter)
    found = scrape(exporter)
    most = scrape(exporter, prefix="sixfold_exporter_top")[labelled("exporter_top_members")]
    figures = Figures(client, zone, round(most))
    for part in (acquisition, channels, calls, sales, trust):
        part(figures)
    now = datetime.now(ZoneInfo(zone))
    clock = {
        labelled("kpi_local_hour"): pytest.approx(now.hour + now.minute / 60 + now.second / 3600, abs=0.1),
        labelled("kpi_local_weekday"): now.isoweekday(),
        labelled("kpi_month_elapsed_ratio"): now.day / ((figures.next_month - timedelta(days=1)).day),
        labelled("kpi_currency_info", currency="USD", time_zone=zone, attribution_model="last"): 1,
    }
    expected = figures.series | clock
    wrong = {
        key: (found.get(key), expected.get(key))
        for key in found.keys() | expected.keys()
        if key not in found or key not in expected or found[key] != near(expected[key])
    }
    assert not wrong, f"{len(wrong)} of {len(found)} series, such as {sorted(wrong.items())[:12]}"
    for metric in {metric.name for query in QUERIES for metric in query.metrics}:
        assert any(name == metric for name, _ in found), metric
    for dimension in ("campaign", "channel", "rep", "team"):
        members = {dict(labels)["member"] for _, labels in found if dict(labels).get("dimension") == dimension}
        assert "(other)" in members, dimension
