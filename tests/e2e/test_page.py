"""The page in a real browser: what a reader sees, does by mouse or keys, and hears."""

import os
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from stream.page.catalog import MENU
from stream.settings import Settings
from tests.clickhouse import ClickHouseServer
from tests.pages import END, Company, Link, Server
from tests.stream.cases import event

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
SHOTS = os.environ.get("SIXFOLD_SHOTS")
"""A directory to write screenshots to, for people."""

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 60_000
DESK, PHONE = {"width": 1360, "height": 900}, {"width": 390, "height": 844}
REPORT = "/report/leads_by_channel"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One start for all tests here."""
    assert Path(CHROMIUM).exists(), f"there is no {CHROMIUM}: make browser"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(company: Company) -> Iterator[Server]:
    with Server(company.settings) as running:
        yield running


@pytest.fixture
def open_page(chromium: Browser, server: Server) -> Iterator[Open]:
    """Opens pages; at the end none of them may have complained, about a policy or anything else."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(path: str, at: Server = server, **options: Any) -> Page:
        context = chromium.new_context(**{"viewport": DESK, "reduced_motion": "no-preference", **options})
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: message.type in {"error", "warning"} and complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{at.url}{path}", wait_until="load")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def tell(company: Company, *events: bytes) -> None:
    """In a thread of its own: playwright has the loop of this one."""
    thread = threading.Thread(target=company.tell, args=events)
    thread.start()
    thread.join()


def new_lead(channel: str = "cpc") -> bytes:
    return event(
        "crm.lead.created", f"{END:%Y-%m-%dT%H:%M:%SZ}", lead_id=f"e2e-{secrets.token_hex(4)}", channel=channel
    )


def shoot(page: Page, name: str) -> None:
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def check_accessible(page: Page) -> None:
    """Not one finding of axe that it calls serious or critical."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("rules => axe.run({runOnly: rules, resultTypes: ['violations']})", RULES)
    serious = [
        (each["id"], [node["html"][:160] for node in each["nodes"]][:3])
        for each in found["violations"]
        if each["impact"] in {"serious", "critical"}
    ]
    assert serious == [], page.url


def fits(page: Page) -> bool:
    """Nothing sticks out at the side: wide tables scroll by themselves."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def figure(page: Page, name: str) -> Locator:
    return page.locator(f'[data-k="{name}"]')


@pytest.mark.parametrize("path", [path for group in MENU for path in group.paths])
def test_every_page_is_whole_and_accessible(open_page: Open, path: str) -> None:
    page = open_page(path)
    expect(page.locator("h1")).to_be_visible()
    expect(page.locator("nav a[aria-current=page]")).to_have_count(1)
    expect(page.locator("#fresh")).to_contain_text("Figures contain events up to")
    if page.locator("#plot").count():
        expect(page.locator("#plot canvas")).to_be_visible()
    assert fits(page)
    shoot(page, f"light-{path.strip('/').replace('/', '-') or 'overview'}")
    check_accessible(page)


@pytest.mark.parametrize(
    "path", ["/", "/report/profitability", "/models", "/targets", "/records/calls/calls", "/quality"]
)
def test_dark_and_narrow_pages_are_accessible(open_page: Open, path: str) -> None:
    page = open_page(path, color_scheme="dark", viewport=PHONE)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(map(int, re.findall(r"\d+", background)[:3])) < 40
    assert fits(page)
    shoot(page, f"dark-phone-{path.strip('/').replace('/', '-') or 'overview'}")
    check_accessible(page)


def test_dark_mode_is_a_choice_that_stays(open_page: Open) -> None:
    page = open_page(REPORT)
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Dark mode").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == "dark", "the server writes it: no flash of light"
    shoot(page, "dark-leads")
    check_accessible(page)
    page.get_by_role("button", name="Light mode").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == light


def test_a_filter_by_mouse(open_page: Open) -> None:
    page = open_page(f"{REPORT}?period=year")
    rows = page.locator("section.card tbody tr")
    assert rows.count() > 3
    page.locator("#pick-channel > summary").click()
    page.get_by_label("email", exact=True).check()
    shoot(page, "light-filter-open")
    page.locator("#pick-channel").get_by_role("button", name="Apply").click()
    page.wait_for_url("**channel=email**")
    assert "period=year" in page.url
    expect(rows).to_have_count(1)
    expect(rows.first.locator("th")).to_have_text("email")
    expect(figure(page, "total.leads")).to_have_text(rows.first.locator("td").first.inner_text())
    # it goes along to the next report, and says so where it has no meaning
    page.get_by_role("link", name="Lead sources").click()
    page.wait_for_url("**/report/lead_sources?*channel=email*")
    page.get_by_role("link", name="Calls", exact=True).click()
    expect(page.locator(".chip.idle")).to_contain_text("not in this report")
    page.locator(".chip.idle").click()
    page.wait_for_url(re.compile(r"/report/calls\?period=year$"))


def test_periods_and_days(open_page: Open) -> None:
    page = open_page(REPORT)
    page.locator("#pick-period > summary").click()
    page.get_by_role("link", name="Last 30 days").click()
    page.wait_for_url("**period=30d")
    expect(page.locator(".segments a[aria-current=true]").first).to_have_text("Day")
    page.locator("#pick-period > summary").click()
    day = f"{END:%Y-%m-%d}"
    page.get_by_label("From").fill(day)
    page.get_by_label("To", exact=True).fill(day)
    page.locator("#pick-period").get_by_role("button", name="Show").click()
    page.wait_for_url(f"**from={day}&to={day}")
    expect(page.locator("#pick-period > summary")).to_contain_text("Custom")
    page.go_back()
    page.wait_for_url("**period=30d")


def test_numbers_move_as_events_arrive(open_page: Open, company: Company) -> None:
    page = open_page(REPORT)
    expect(page.locator("#dot")).to_have_class("dot live")
    leads, row = figure(page, "total.leads"), figure(page, "cpc.leads")
    before, of_cpc = int(leads.inner_text().replace(",", "")), int(row.inner_text().replace(",", ""))
    page.locator("#meanings > summary").click()
    page.locator("#pick-channel > summary").click()
    page.get_by_label("email", exact=True).check()
    page.evaluate("window.untouched = true")
    tell(company, new_lead(), new_lead())
    expect(leads).to_have_text(f"{before + 2:,}", timeout=PATIENCE_MS)
    expect(row).to_have_text(f"{of_cpc + 2:,}")
    expect(leads).to_have_class("moved")
    expect(page.locator("#say")).to_contain_text("Figures were updated")
    # without loading anew, and what the reader had opened and chosen is as it was
    assert page.evaluate("window.untouched") is True
    assert page.locator("#meanings").get_attribute("open") is not None
    assert page.locator("#pick-channel").get_attribute("open") is not None
    assert page.get_by_label("email", exact=True).is_checked()
    expect(page.locator("#plot canvas")).to_be_visible()
    other = figure(page, "email.leads")
    assert other.get_attribute("class") is None, "what did not move is not marked"


def test_a_number_opens_its_records_and_a_record_its_events(open_page: Open) -> None:
    page = open_page("/report/campaign_revenue?period=all")
    number = figure(page, "search-ad/cpc.revenue")
    expect(number).to_have_text("$400,000")
    number.click()
    page.wait_for_url("**/records/campaign_revenue/revenue?*campaign_id=search-ad*")
    expect(figure(page, "figure")).to_have_text("$400,000.00")
    expect(page.locator("main h2")).to_contain_text("1,000 credits of won deals, together $400,000.00")
    shoot(page, "light-records")
    check_accessible(page)
    page.locator("section tbody th a").first.click()
    page.wait_for_url("**/record?entity=opportunity*")
    said = page.get_by_role("region", name="Which event said so")
    expect(said.locator("tr", has_text="amount")).to_contain_text("crm/northdesk")
    shoot(page, "light-record")
    check_accessible(page)
    page.locator("#linked + *, dl a").first.click()
    page.wait_for_url("**/record?entity=lead*")
    expect(page.locator("h1")).to_contain_text("Lead")


def test_all_by_keys(open_page: Open) -> None:
    page = open_page(REPORT)
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the figures")
    page.keyboard.press("Enter")
    expect(page.locator("main:focus")).to_have_count(1)
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('#pick-channel') !== null"):
            break
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none", "where the focus is can be seen"
    page.keyboard.press("Enter")
    expect(page.locator("#pick-channel")).to_have_attribute("open", "")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.locator("#pick-channel input").first).to_be_checked()
    page.keyboard.press("Escape")
    assert page.locator("#pick-channel").get_attribute("open") is None
    expect(page.locator("#pick-channel > summary")).to_be_focused()
    table = page.get_by_role("region", name="Leads by channel")
    assert table.get_attribute("tabindex") == "0", "a table that scrolls can be scrolled by keys"
    assert page.locator("#plot").get_attribute("aria-hidden") == "true"
    page.locator("#trend-table > summary").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name=re.compile("as a table"))).to_be_visible()


def test_a_phone(open_page: Open) -> None:
    page = open_page(REPORT, viewport=PHONE, has_touch=True, is_mobile=True)
    assert fits(page)
    nav = page.get_by_role("navigation", name="Reports")
    expect(nav).to_be_hidden()
    shoot(page, "phone-leads")
    page.get_by_role("button", name="Menu").click()
    expect(nav).to_be_visible()
    shoot(page, "phone-menu")
    nav.get_by_role("link", name="Funnel").click()
    page.wait_for_url("**/report/funnel")
    assert fits(page)
    shoot(page, "phone-funnel")
    page.get_by_role("button", name="Menu").click()
    page.keyboard.press("Escape")
    expect(nav).to_be_hidden()


def test_on_paper_there_is_no_menu(open_page: Open) -> None:
    page = open_page(REPORT)
    page.emulate_media(media="print")
    expect(page.get_by_role("navigation", name="Reports")).to_be_hidden()
    expect(page.locator(".filters")).to_be_hidden()
    expect(page.locator("section.card table")).to_be_visible()
    shoot(page, "print-leads")


def test_without_javascript_everything_is_there_but_the_lines(open_page: Open) -> None:
    page = open_page("/report/funnel", java_script_enabled=False)
    expect(page.locator("#funnel svg").first).to_be_visible()
    expect(page.locator("section.card tbody tr").first).to_be_visible()
    expect(page.locator("#trend-table > summary")).to_be_visible()
    page.locator("#pick-period > summary").click()
    page.get_by_role("link", name="This year").click()
    page.wait_for_url("**period=year")


def test_clickhouse_that_goes_away_leaves_the_figures_and_says_so(
    open_page: Open, chromium: Browser, clickhouse_server: ClickHouseServer
) -> None:
    link = Link(clickhouse_server.host, clickhouse_server.port)
    url = f"http://{clickhouse_server.user}:{clickhouse_server.password}@127.0.0.1:{link.port}/page_company"
    try:
        with Server(Settings(clickhouse_url=url)) as running:
            page = open_page(REPORT, running)
            expect(page.locator("#dot")).to_have_class("dot live")
            leads = figure(page, "total.leads").inner_text()
            link.sever()
            expect(page.locator("#trouble")).to_contain_text(
                "The figures shown are those of before", timeout=PATIENCE_MS
            )
            assert figure(page, "total.leads").inner_text() == leads
            shoot(page, "light-trouble")
            link.mend()
            expect(page.locator("#trouble")).to_be_hidden(timeout=PATIENCE_MS)
            page.context.close()
    finally:
        link.close()


def test_logging_in(open_page: Open, company: Company) -> None:
    settings = Settings(
        clickhouse_url=company.settings.clickhouse_url.get_secret_value(), page_password="correct horse", partitions=4
    )
    with Server(settings) as running:
        page = open_page("/report/calls", running)
        expect(page).to_have_url(re.compile(r"/login\?next=/report/calls$"))
        expect(page.get_by_label("Password")).to_be_focused()
        shoot(page, "light-login")
        check_accessible(page)
        page.keyboard.type("correct horse")
        page.keyboard.press("Enter")
        page.wait_for_url("**/report/calls")
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url("**/login")
        page.context.close()


def test_what_goes_over_the_wire(chromium: Browser, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """The first visit, then pages with the files kept; and when something is painted (printed, not judged)."""
    page = chromium.new_context(viewport=DESK).new_page()
    wire = page.context.new_cdp_session(page)
    received: list[float] = []
    wire.send("Network.enable")
    wire.on("Network.loadingFinished", lambda loaded: received.append(loaded["encodedDataLength"]))
    sizes = {}
    for what, path in (("first visit", REPORT), ("another report", "/report/campaign_revenue"), ("overview", "/")):
        received.clear()
        page.goto(f"{server.url}{path}", wait_until="load")
        expect(page.locator("#plot canvas")).to_be_visible(timeout=PATIENCE_MS)
        page.wait_for_timeout(300)
        sizes[what] = sum(received)
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0")
        with capsys.disabled():
            print(f"\n{what}: {sizes[what] / 1000:.1f} kB in {len(received)}, first paint {paint:.0f} ms", end="")
    page.context.close()
    assert 30_000 < sizes["first visit"] < 60_000
    assert sizes["another report"] < 15_000
    assert sizes["overview"] < 15_000
