"""What the page says when there is nothing to show, or something is wrong; and what the names in the data may do."""

import csv
import http.client
import io
import json
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from sinks.migrate import migrate
from stream.page.catalog import MENU
from stream.settings import Settings
from tests.clickhouse import ClickHouseServer
from tests.pages import END, Browser, Company, Link, Server, company_of
from tests.stream.cases import event

PATHS = [path for group in MENU for path in group.paths]
PATIENCE_SECONDS = 120


def until(what: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def empty(clickhouse_server: ClickHouseServer) -> Iterator[Company]:
    with company_of(clickhouse_server, "page_empty", events=0) as found:
        yield found


@pytest.fixture
def link(clickhouse_server: ClickHouseServer, company: Company) -> Iterator[Link]:
    found = Link(clickhouse_server.host, clickhouse_server.port)
    yield found
    found.close()


@pytest.fixture
def linked(clickhouse_server: ClickHouseServer, link: Link) -> Iterator[Server]:
    """A page that reads the company's database through the link."""
    user, password = clickhouse_server.user, clickhouse_server.password
    with Server(Settings(clickhouse_url=f"http://{user}:{password}@127.0.0.1:{link.port}/page_company")) as running:
        yield running


def test_every_page_of_an_empty_database_says_so(empty: Company) -> None:
    with Server(empty.settings) as running:
        for path in PATHS:
            answer = running.browser().get(path)
            assert answer.status == 200, path
            assert "No event has been counted yet" in answer.text
        for path in ("/report/calls.csv", "/opportunity-list.csv", "/records/calls/calls", "/records/calls/calls.csv"):
            assert running.browser().get(path).status == 200


def test_a_database_that_was_never_migrated_says_what_to_do(clickhouse_server: ClickHouseServer) -> None:
    name = f"bare_{secrets.token_hex(4)}"
    client = clickhouse_server.connect()
    client.command(f"CREATE DATABASE {name}")
    try:
        url = f"http://{clickhouse_server.user}:{clickhouse_server.password}@{clickhouse_server.host}:{clickhouse_server.port}/{name}"
        with Server(Settings(clickhouse_url=url)) as running:
            answer = running.browser().get("/report/calls")
            assert answer.status == 503
            assert "run sixfold migrate" in answer.text
            migrate(client, name, Settings().view_settings())
            assert running.browser().get("/report/calls").status == 200
    finally:
        client.command(f"DROP DATABASE {name}")


def test_clickhouse_that_is_away_is_said_in_words_and_comes_back(linked: Server, link: Link) -> None:
    browser = linked.browser()
    assert browser.get("/report/calls").status == 200
    link.sever()
    answers = []
    until(lambda: answers.append(browser.get("/report/calls")) or answers[-1].status == 503)
    assert re.search(r"no ClickHouse at|does not answer", answers[-1].text)
    assert answers[-1].headers["Refresh"] == "5"
    assert "Traceback" not in answers[-1].text
    assert browser.get("/live").status == 200
    assert browser.get("/ready").status == 503
    part = browser.get("/report/calls", X_Sixfold_Part="main")
    assert part.status == 503
    assert "<" not in part.text, "one line for the page that is open"
    link.mend()
    until(lambda: browser.get("/report/calls").status == 200)


def test_what_was_read_serves_everybody_until_a_manifest_moves(linked: Server, link: Link, company: Company) -> None:
    browser = linked.browser()
    browser.get("/report/leads_by_channel")
    time.sleep(1)
    before = link.requests
    answers = [browser.get("/report/leads_by_channel") for _ in range(5)]
    assert len({answer.text for answer in answers}) == 1
    assert link.requests - before <= 5, "only whether something moved is asked"
    leads = int(answers[0].values["total.leads"])
    company.tell(event("crm.lead.created", f"{END:%Y-%m-%dT%H:%M:%SZ}", lead_id=f"new-{secrets.token_hex(4)}"))
    until(lambda: int(browser.get("/report/leads_by_channel").values["total.leads"]) == leads + 1)


class Stream:
    """Server-sent events, read in a thread."""

    def __init__(self, browser: Browser) -> None:
        self.events: list[tuple[str, str]] = []
        self._connection = http.client.HTTPConnection("127.0.0.1", browser.port, timeout=PATIENCE_SECONDS)
        self._connection.request("GET", "/events", headers={"Accept": "text/event-stream"})
        self.answer = self._connection.getresponse()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        kind = ""
        try:
            while line := self.answer.readline().decode():
                if line.startswith("event: "):
                    kind = line[7:].strip()
                elif line.startswith("data: "):
                    self.events.append((kind, line[6:].strip()))
        except (OSError, ValueError, AttributeError):
            return

    def close(self) -> None:
        self._connection.sock and self._connection.sock.shutdown(2)
        self._connection.close()


def test_open_pages_are_told_when_a_manifest_moved_and_only_then(linked: Server, link: Link, company: Company) -> None:
    time.sleep(1.5)
    before = link.requests
    time.sleep(2.5)
    assert link.requests == before, "nothing is asked while no page is open"
    stream = Stream(linked.browser())
    try:
        assert stream.answer.getheader("Content-Type") == "text/event-stream"
        until(lambda: stream.events)
        shown = linked.browser().get("/").text
        assert f'data-token="{json.loads(stream.events[0][1])["token"]}"' in shown
        time.sleep(3)
        assert [kind for kind, _ in stream.events] == ["moved"]
        company.tell(event("crm.lead.created", f"{END:%Y-%m-%dT%H:%M:%SZ}", lead_id=f"new-{secrets.token_hex(4)}"))
        until(lambda: len(stream.events) == 2)
        assert stream.events[1][0] == "moved"
        assert stream.events[1][1] != stream.events[0][1]
        link.sever()
        until(lambda: stream.events[-1][0] == "away")
        assert "ClickHouse" in stream.events[-1][1]
        link.mend()
        until(lambda: [kind for kind, _ in stream.events[-2:]] == ["back", "moved"])
    finally:
        stream.close()


def test_names_in_the_data_do_nothing(clickhouse_server: ClickHouseServer) -> None:
    """Campaigns, channels and ids are somebody else's texts."""
    evil = "<script>alert(1)</script>\"'&"
    day = f"{END:%Y-%m-%d}"
    with company_of(clickhouse_server, "page_names", events=0) as company:
        company.tell(
            event("crm.campaign.upserted", day, campaign_id="c1", name=evil),
            event("crm.lead.created", day, lead_id=evil, channel=evil, campaign_id="c1", name=evil),
            event("crm.lead.created", day, lead_id="formula", channel="=1+1", campaign_id=evil),
            event(
                "crm.opportunity.created", day, opportunity_id=evil, lead_id=evil, subject=evil, amount="-5", stage=evil
            ),
        )
        with Server(company.settings) as running:
            browser = running.browser()
            for path in PATHS:
                text = browser.get(path).text
                assert "<script>alert" not in text, path
            channels = browser.get("/report/leads_by_channel")
            assert "&lt;script&gt;alert(1)&lt;/script&gt;" in channels.text
            link = re.search(r'href="(/records/leads_by_channel/leads\?[^"]*script[^"]*)"', channels.text)
            assert link is not None
            records = browser.get(link[1].replace("&amp;", "&"))
            assert records.values["figure"] == "1"
            record = re.search(r'href="(/record\?entity=[^"]*)"', records.text)
            assert record is not None
            opened = browser.get(record[1].replace("&amp;", "&"))
            assert opened.status == 200
            assert "<script>alert" not in opened.text
            rows = list(csv.reader(io.StringIO(browser.get("/report/leads_by_channel.csv").text)))
            assert "'=1+1" in {row[0] for row in rows}, "a spreadsheet would compute it"
            rows = list(csv.DictReader(io.StringIO(browser.get("/opportunity-list.csv").text)))
            assert rows[0]["amount"] == "-5", "a negative number is a number"


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/report/calls?period=1x", "there is no period 1x"),
        ("/report/calls?grain=hour", "there is no grain hour"),
        ("/report/calls?from=2026-13-01", "from takes a day"),
        ("/report/calls?from=2026-02-01&to=2026-01-01", "is after to"),
        ("/report/campaign_revenue?model=best", "there is no model best"),
        ("/records/calls/answer_rate", "no measure answer_rate"),
        ("/records/calls/calls?page=0", "there is no page 0"),
        ("/report/calls?team=" + "x" * 301, "too long"),
        ("/pivot?report=pipeline", "there is no report pipeline"),
        ("/targets?show=nothing", "there is no show nothing"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(page: Browser, path: str, says: str) -> None:
    answer = page.get(path)
    assert answer.status == 400
    assert says.lower() in answer.text.lower()


@pytest.mark.parametrize("path", ["/report/nothing", "/nowhere", "/records/nothing/leads", "/static/../settings.py"])
def test_what_is_not_there_is_not_found(page: Browser, path: str) -> None:
    answer = page.get(path)
    assert answer.status == 404
    assert "To the overview" in answer.text


def test_sorting_and_cutting(page: Browser) -> None:
    rows = list(csv.DictReader(io.StringIO(page.get("/report/lead_magnets.csv", {"sort": "customers"}).text)))
    assert [int(row["customers"]) for row in rows] == sorted(int(row["customers"]) for row in rows)
    text = page.get("/report/lead_magnets", {"sort": "-customers"}).text
    assert re.search(r'aria-sort="descending"[^>]*>\s*<a[^>]*>Customers', text)
    assert len(re.findall(r"<tr>\s*<th scope=\"row\"", text.partition('id="rows"')[2])) <= 27
    more = re.search(r'href="([^"]*)">Show (\d+) more rows', text)
    assert more is not None
    every = page.get(more[1].replace("&amp;", "&")).text
    assert every.count("<tr>") > text.count("<tr>")


def test_files_are_packed_and_kept_by_browsers(page: Browser) -> None:
    address = re.search(r'src="(/static/[^"]*uPlot[^"]*)"', page.get("/").text)
    assert address is not None
    packed = page.get(address[1])
    assert packed.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert packed.headers["Content-Type"] == "text/javascript; charset=utf-8"
    other = page.get(re.sub(r"/static/\w+/", "/static/0000/", address[1]))
    assert other.headers["Cache-Control"] == "no-store"
