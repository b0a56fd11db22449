"""The site: built strictly from the tree, every link inside it leads somewhere, nothing comes from another host."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree as ET

import pytest
from clickhouse_connect.driver.client import Client

from deploy.site import licences_page, picture, settings_page
from deploy.site.navigation import navigation
from deploy.site.pages import PAGES
from stream.settings import PREFIX, Settings
from tests.docs import reports_page

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


class _Page(HTMLParser):
    """Ids, links, and what a browser would load by itself."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.images_without_alt = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids |= {given[name] or "" for name in ("id", "name") if name in given}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"] or "")
        if tag in ("script", "img", "iframe", "source", "embed") and given.get("src"):
            self.loaded.append(given["src"] or "")
        if tag == "link" and given.get("rel") != "canonical" and given.get("href"):
            self.loaded.append(given["href"] or "")
        self.images_without_alt += tag == "img" and not given.get("alt")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    built = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, _Page]:
    return {path: _Page(path.read_text("utf-8")) for path in site.rglob("*.html") if path.name != "404.html"}


def test_every_page_of_docs_is_on_the_site(site: Path) -> None:
    for source in DOCS.rglob("*.md"):
        name = "index.html" if source.name in ("README.md", "index.md") else f"{source.stem}.html"
        assert (site / source.relative_to(DOCS).parent / name).is_file(), source


def test_every_link_and_anchor_inside_the_site_leads_somewhere(site: Path, pages: dict[Path, _Page]) -> None:
    assert not list(_broken(pages))


def _broken(pages: dict[Path, _Page]) -> Iterator[str]:
    for path, page in pages.items():
        for link in (*page.links, *page.loaded):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
                yield f"{path.name}: {link}: no such file"
            elif parts.fragment and target.suffix == ".html":
                known = pages[target].ids if target in pages else set()
                if unquote(parts.fragment) not in known:
                    yield f"{path.name}: {link}: no such anchor"


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "a.html"
    page.write_text('<p id="here"><a href="b.html">b</a><a href="#there">there</a><a href="#here">here</a></p>')
    found = list(_broken({page: _Page(page.read_text())}))
    assert found == ["a.html: b.html: no such file", "a.html: #there: no such anchor"]


def test_a_browser_loads_nothing_from_another_host(site: Path, pages: dict[Path, _Page]) -> None:
    foreign = {link for page in pages.values() for link in page.loaded if urlsplit(link).netloc}
    assert not foreign
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", sheet.read_text("utf-8")), sheet
    assert not [path for path, page in pages.items() if page.images_without_alt]


def test_foreign_links_are_addresses_of_the_web(pages: dict[Path, _Page]) -> None:
    """Listed, not followed: tests have no network. `pytest -s` shows them."""
    foreign = sorted({link for page in pages.values() for link in page.links if urlsplit(link).netloc})
    print(*foreign, sep="\n")
    assert all(urlsplit(link).scheme == "https" for link in foreign), foreign


def test_links_of_the_readme_and_out_of_docs_exist() -> None:
    for source in (ROOT / "README.md", ROOT / "SECURITY.md", *DOCS.rglob("*.md")):
        for link in re.findall(r"\]\(([^)\s#:]+)(?:#[^)\s]*)?\)", source.read_text("utf-8")):
            assert (source.parent / link).exists(), f"{source}: {link}"


def test_every_page_is_reached_by_links_from_the_first() -> None:
    reached, left = set[Path](), [DOCS / "index.md"]
    while left:
        page = left.pop().resolve()
        if page not in reached:
            reached.add(page)
            links = re.findall(r"\]\(([^)\s#:]+\.md)(?:#[^)\s]*)?\)", page.read_text("utf-8"))
            left += [page.parent / link for link in links]
    assert {path.resolve() for path in DOCS.rglob("*.md")} <= reached


def test_a_page_stands_in_the_navigation_once_whatever_its_name() -> None:
    made = navigation(["index.md", "new.md", "sources/b.md", "sources/README.md", "kafka.md"])
    assert made == [
        {"Start": ["index.md"]},
        {"Sources": ["sources/README.md", "sources/b.md"]},
        {"Operate": ["kafka.md"]},
        {"More": ["new.md"]},
    ]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_made_from_code_is_current(name: str) -> None:
    kept, made = (DOCS / name).read_text("utf-8"), PAGES[name]()
    if name == licences_page.FILE and sys.version_info[:2] != (3, 11):  # the page is made with 3.11: other pythons
        names = [set(re.findall(r"^\| ([a-z0-9-]+) \|", text, re.MULTILINE)) for text in (kept, made)]
        kept, made = (_without(text, names[0] ^ names[1]) for text in (kept, made))  # need a few other packages
    assert kept == made, "run make docs-pages"


def _without(page: str, names: set[str]) -> str:
    return "\n".join(line for line in page.split("\n") if line.removeprefix("| ").partition(" ")[0] not in names)


def test_the_reports_page_says_what_the_views_say(database: Client) -> None:
    assert reports_page.PAGE.read_text("utf-8") == reports_page.render(database), "run make docs-pages"


def test_every_report_has_its_section() -> None:
    shown = {name for _, _, names in reports_page.SECTIONS for name in names}
    reports = {view.name for view in reports_page.load_views() if view.name.startswith("report_")}
    assert reports | {"opportunity_list"} == shown


def test_the_settings_page_has_every_setting_and_no_host_of_whoever_made_it() -> None:
    rows = [line for line in settings_page.render().splitlines() if line.startswith(f"| `{PREFIX}")]
    assert len(rows) == len(Settings.model_fields)
    assert os.uname().nodename not in settings_page.render()


def test_the_picture_can_be_read_aloud_and_loads_nothing() -> None:
    svg = ET.fromstring(picture.render())  # noqa: S314 - ours
    space = "{http://www.w3.org/2000/svg}"
    named = {svg.find(f"{space}{tag}").get("id") for tag in ("title", "desc")}  # type: ignore[union-attr]
    assert svg.get("role") == "img"
    assert set((svg.get("aria-labelledby") or "").split()) == named
    texts = " ".join("".join(each.itertext()) for each in svg.iter(f"{space}text"))
    for word in ("CRM events", "Kafka", "Shards", "Documents", "Rolling tables", "Views"):
        assert word in texts
    assert not [each for each in svg.iter() if each.tag.endswith(("script", "image", "use", "foreignObject"))]
