"""A page over the shared company."""

from collections.abc import Iterator

import pytest

from tests.pages import Browser, Company, Server


@pytest.fixture(scope="session")
def server(company: Company) -> Iterator[Server]:
    with Server(company.settings) as running:
        yield running


@pytest.fixture
def page(server: Server) -> Browser:
    return server.browser()
