"""Who gets in, under which name, and what browsers are told."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from stream.page.app import _json_block
from stream.page.catalog import MENU
from stream.page.serving import PageError
from stream.settings import Settings
from tests.pages import Answer, Browser, Company, Server

PASSWORD = "correct horse"
ANY = ".".join("0000")
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def settings_of(company: Company, **rest: Any) -> Settings:
    known = company.settings
    return Settings(
        clickhouse_url=known.clickhouse_url.get_secret_value(),
        clickhouse_reader_url=known.clickhouse_reader_url,
        partitions=known.partitions,
        **rest,
    )


@pytest.fixture
def locked(company: Company) -> Iterator[Server]:
    with Server(settings_of(company, page_password=PASSWORD, page_session_key="k" * 32)) as running:
        yield running


def log_in(browser: Browser, password: str = PASSWORD, **headers: str) -> Answer:
    return browser.post("/login", {"password": password, "next": "/report/calls?period=30d"}, **headers)


def test_every_answer_forbids_what_pages_do_not_need(page: Browser) -> None:
    static = re.search(r'href="(/static/[^"]+page\.css)"', page.get("/").text)
    assert static is not None
    for answer in (
        page.get("/"),
        page.get("/report/calls.csv"),
        page.get("/report/nothing"),
        page.get("/report/calls", {"period": "x"}),
        page.get(static[1]),
        page.get("/static/x/nothing.js"),
        page.get("/login"),
        page.get("/", Host="evil.example"),
        page.post("/", {}),
    ):
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert HEADERS.items() <= answer.headers.items()
        if not answer.headers["Cache-Control"].startswith("public"):
            assert answer.headers["Cache-Control"] == "no-store"


def test_no_page_needs_inline_scripts_or_styles(page: Browser) -> None:
    for path in [path for group in MENU for path in group.paths] + ["/records/calls/calls", "/login"]:
        text = page.get(path).text
        assert not re.search(r"<[^>]+\sstyle=", text), path
        assert not re.search(r"<[^>]+\son\w+=", text), path
        assert "<style" not in text
        assert "javascript:" not in text
        for script in re.findall(r"<script[^>]*>", text):
            assert 'src="/static/' in script or 'type="application/json"' in script
        for address in re.findall(r'(?:src|href|action)="([^"]*)"', text):
            assert address.startswith(("/", "#", "?")), f"{path} reaches out: {address}"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.1"])
def test_an_open_page_answers_under_names_of_this_machine_only(page: Browser, host: str) -> None:
    """Else a web site could point its own name at 127.0.0.1 and read along."""
    assert page.get("/", Host=host).status == 421
    assert page.get("/report/calls.csv", Host=host).status == 421
    assert page.get("/events", Host=host).status == 421
    for own in ("127.0.0.1", "localhost", "localhost:1234", "[::1]:80"):
        assert page.get("/login", Host=own).status == 303


def test_an_open_page_may_have_a_name_of_its_own(company: Company) -> None:
    with Server(settings_of(company, page_url="https://reports.example.com")) as running:
        assert running.url == "https://reports.example.com"
        assert running.browser().get("/login", Host="reports.example.com").status == 303
        answer = running.browser().get("/login", Host="127.0.0.1")
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"page_host": ANY}, "SIXFOLD_PAGE_PASSWORD"),
        ({"page_host": "::"}, "SIXFOLD_PAGE_PASSWORD"),
        ({"page_user_header": "X-User"}, "SIXFOLD_PAGE_PROXIES"),
        ({"page_host": ANY, "page_user_header": "X-User", "page_proxies": "10.0.0.0/8"}, "SIXFOLD_PAGE_URL"),
    ],
)
def test_settings_that_would_let_in_anybody_are_refused(company: Company, settings: dict[str, Any], says: str) -> None:
    with pytest.raises(PageError, match=says), Server(settings_of(company, **settings)):
        pass


def test_without_a_session_nothing_is_shown(locked: Server) -> None:
    browser = locked.browser()
    for path in ("/", "/report/calls", "/report/calls.csv", "/record?entity=lead:1", "/opportunity-list.csv"):
        answer = browser.get(path)
        assert answer.status == 303
        assert answer.headers["Location"].startswith("/login")
    assert browser.get("/events").status == 401
    assert browser.get("/", X_Sixfold_Part="main").status == 401
    assert browser.get("/live").status == 200
    assert browser.get("/ready").text == '{"ready": true}'
    assert browser.get("/login").status == 200


def test_the_password_opens_a_session(locked: Server) -> None:
    browser = locked.browser()
    answer = log_in(browser)
    assert answer.status == 303
    assert answer.headers["Location"] == "/report/calls?period=30d"
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/" in cookie
    assert PASSWORD not in cookie
    assert browser.get("/report/calls").status == 200
    answer = browser.post("/logout", {})
    assert answer.headers["Location"] == "/login"
    assert browser.get("/report/calls").status == 303


def test_a_cookie_is_secure_where_browsers_come_by_https(company: Company) -> None:
    settings = settings_of(company, page_password=PASSWORD, page_url="https://reports.example.com")
    with Server(settings) as running:
        assert "Secure" in log_in(running.browser()).headers["Set-Cookie"]


def test_a_forged_cookie_opens_nothing(locked: Server) -> None:
    browser = locked.browser()
    log_in(browser)
    (name, value), *_ = browser.cookies.items()
    for forged in (
        "",
        "x",
        value[:-2] + ("aa" if value[-2:] != "aa" else "bb"),
        value.split(".")[0],
        f"e30.{value.split('.', 1)[1]}",
    ):
        browser.cookies[name] = forged
        assert browser.get("/report/calls").status == 303, forged


def test_sessions_outlive_a_restart_but_not_their_password(company: Company) -> None:
    same = {"page_session_key": "k" * 32}
    with Server(settings_of(company, page_password=PASSWORD, **same)) as running:
        browser = running.browser()
        log_in(browser)
    for password, status in ((PASSWORD, 200), ("another", 303)):
        with Server(settings_of(company, page_password=password, **same)) as running:
            later = running.browser()
            later.cookies = dict(browser.cookies)
            assert later.get("/report/calls").status == status
    with Server(settings_of(company, page_password=PASSWORD)) as running:
        later = running.browser()
        later.cookies = dict(browser.cookies)
        assert later.get("/report/calls").status == 303, "without a key every start has one of its own"


def test_a_wrong_password_is_told_and_soon_refused(locked: Server) -> None:
    browser = locked.browser()
    for number in range(5):
        answer = log_in(browser, f"wrong {number}")
        assert answer.status == 401
        assert "That is not the password" in answer.text
        assert "Set-Cookie" not in answer.headers
    answer = log_in(browser, "wrong again")
    assert answer.status == 429
    assert answer.headers["Retry-After"] == "60"
    assert log_in(browser).status == 429, "the right one has to wait as well: else guessing would go on"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null", "Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_a_form_of_another_site_is_refused(locked: Server, headers: dict[str, str]) -> None:
    browser = locked.browser()
    assert log_in(browser, **headers).status == 403
    assert not browser.cookies
    assert log_in(browser, Origin=f"http://127.0.0.1:{locked.port}").status == 303


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "evil",
        "javascript:alert(1)",
        "/a\r\nSet-Cookie: x=1",
    ],
)
def test_the_login_leads_nowhere_else(locked: Server, target: str) -> None:
    answer = locked.browser().post("/login", {"password": PASSWORD, "next": target})
    assert answer.headers["Location"] == "/"
    assert "evil" not in locked.browser().get("/login", {"next": target}).text


def test_a_large_form_is_not_read(locked: Server) -> None:
    assert locked.browser().post("/login", {"password": "x" * 100_000}).status == 413


def test_the_proxys_header_is_believed_from_the_proxy_alone(company: Company) -> None:
    header = {"X_Forwarded_User": "ada"}
    trusted = settings_of(company, page_user_header="X-Forwarded-User", page_proxies="127.0.0.1")
    with Server(trusted) as running:
        assert running.browser().get("/report/calls", **header).status == 200
        assert running.browser().get("/report/calls").status == 403
        assert running.browser().get("/report/calls", X_Forwarded_User=" ").status == 403
        # a page of another site may send any header to the name that it gave this machine
        assert running.browser().get("/report/calls", Host="evil.example", **header).status == 421
    elsewhere = settings_of(company, page_user_header="X-Forwarded-User", page_proxies="10.0.0.0/8")
    with Server(elsewhere) as running:
        assert running.browser().get("/report/calls", **header).status == 403
    both = settings_of(company, page_user_header="X-Forwarded-User", page_proxies="10.0.0.0/8", page_password=PASSWORD)
    with Server(both) as running:
        browser = running.browser()
        assert browser.get("/report/calls", **header).status == 303
        log_in(browser)
        assert browser.get("/report/calls").status == 200


def test_behind_a_proxy_guessers_are_told_apart(company: Company) -> None:
    settings = settings_of(
        company, page_user_header="X-Forwarded-User", page_proxies="127.0.0.1", page_password=PASSWORD
    )
    with Server(settings) as running:
        for _ in range(6):
            answer = log_in(running.browser(), "wrong", X_Forwarded_For="198.51.100.1")
        assert answer.status == 429
        assert log_in(running.browser(), X_Forwarded_For="198.51.100.2").status == 303


def test_data_in_a_page_cannot_leave_its_element() -> None:
    assert "<" not in _json_block({"labels": ["</script><script>alert(1)</script>", "<!--"]})


def test_secrets_show_nowhere() -> None:
    settings = Settings(page_password=PASSWORD, page_session_key="very secret")
    assert PASSWORD not in repr(settings)
    assert "very secret" not in str(settings.shown())
    assert settings.page_password == SecretStr(PASSWORD)


def test_what_the_page_serves_reaches_nowhere() -> None:
    """No address of another host in any file of ours: what is vendored names its home in comments only."""
    folder = Path(__file__).parents[3] / "stream" / "page"
    for path in [*folder.glob("templates/*.html"), folder / "static" / "page.css", folder / "static" / "page.js"]:
        assert not re.search(r"(?<!xmlns=\")https?://", path.read_text()), path
