"""Without `make e2e` nothing here has what it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from e2e import install
from e2e.postgres_server import postgres
from rightmodel.ledger.postgres_opener import open_postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.postgres_server import PostgresServer
    from rightmodel.ledger.store import Store


@pytest.fixture(scope="session", autouse=True)
def everything_is_installed() -> None:
    if missing := install.missing():
        pytest.fail(f"not installed: {', '.join(missing)}. Run: make e2e")


@pytest.fixture(scope="session")
def running() -> Iterator[PostgresServer]:
    """One for every test that needs one."""
    with postgres() as server:
        yield server


@pytest.fixture
def server(running: PostgresServer) -> PostgresServer:
    """With nothing in its database."""
    running.ask("DROP SCHEMA IF EXISTS rightmodel CASCADE")
    return running


@pytest.fixture
def opened(server: PostgresServer) -> Iterator[Callable[[], Store]]:
    opener, stores = open_postgres(server.url), []

    def open_one() -> Store:
        stores.append(opener())
        return stores[-1]

    yield open_one
    for store in stores:
        store.close()


@pytest.fixture
def store(opened: Callable[[], Store]) -> Store:
    return opened()
