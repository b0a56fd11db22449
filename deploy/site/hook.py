"""MkDocs' hook: the navigation, and links to what is in the repository but not on the site."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

from deploy.site.navigation import navigation

ROOT = Path(__file__).parents[2]
_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]+)\]\((?P<target>[^)\s#:]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Make the navigation from the pages found."""
    config.nav = navigation(file.src_uri for file in files.documentation_pages())
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - MkDocs
    """Write a link to a file beside `docs/`, or to a folder, as its path: a reader of the site has no such page.

    A target that does not exist stays a link, and so fails the strict build.
    """
    folder = (Path(config.docs_dir) / page.file.src_uri).parent

    def shown(link: re.Match[str]) -> str:
        target = (folder / link["target"]).resolve()
        outside = target.is_dir() or not target.is_relative_to(Path(config.docs_dir).resolve())
        if not (target.exists() and target.is_relative_to(ROOT) and outside):
            return link[0]
        path = f"`{target.relative_to(ROOT)}`"
        return path if link["text"].strip("`").rstrip("/") in path else f"{link['text']} ({path})"

    return _LINK.sub(shown, markdown)
