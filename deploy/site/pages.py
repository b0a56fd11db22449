"""The pages of the site that are made from code, and need neither Kafka nor ClickHouse."""

from collections.abc import Callable, Mapping

from deploy.site import commands_page, licences_page, picture, settings_page

PAGES: Mapping[str, Callable[[], str]] = {
    picture.FILE: picture.render,
    settings_page.FILE: settings_page.render,
    commands_page.FILE: commands_page.render,
    licences_page.FILE: licences_page.render,
}
"""File below `docs/` -> its content."""
