from __future__ import annotations

import sys
import traceback

import pytest

from rightmodel.core.errors import LedgerError, LedgerFault
from rightmodel.execution.shared_health import key_hash
from rightmodel.ledger.postgres_opener import open_postgres


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://team:se/cret@db.example.com/ledger",
        "postgresql://team:se@cret@db.example.com/ledger",
        "postgresql://team:se%cret@db.example.com/ledger",
        "postgresql://team:secret@db.example.com/ledger?what=secret",
        "mysql://team:secret@db.example.com/ledger",
        "host=db.example.com password=secret",
    ],
)
def test_a_url_that_cannot_be_read_is_reported_without_showing_its_password(url: str) -> None:
    with pytest.raises(LedgerError, match=r"cannot be read.*%40") as caught:
        open_postgres(url)
    told = "".join(traceback.format_exception(caught.value, chain=True)).replace(url, "")
    assert "se" not in caught.value.location
    assert "cret@" not in told
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (
            "postgresql://team:secret@db.example.com:5433/ledger?sslmode=verify-full",
            "postgresql://db.example.com:5433/ledger",
        ),
        ("postgresql://team:s?e#c:ret@db.example.com/ledger", "postgresql://db.example.com/ledger"),
        ("postgres://team@a:1,b:2/ledger", "postgres://a:1,b:2/ledger"),
        ("postgresql:///ledger?host=/run/postgresql&password=secret", "postgresql:///ledger"),
    ],
)
def test_its_location_is_the_url_without_user_password_and_options(
    monkeypatch: pytest.MonkeyPatch, url: str, place: str
) -> None:
    _without_psycopg(monkeypatch)
    with pytest.raises(LedgerError) as caught:
        open_postgres(url)
    assert caught.value.location == place
    assert f"the ledger {place} needs psycopg" in str(caught.value)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    _without_psycopg(monkeypatch)
    with pytest.raises(LedgerError, match=r"pip install -e '\.\[postgres\]'") as caught:
        open_postgres("postgresql://db.example.com/ledger")
    assert caught.value.fault is LedgerFault.UNREACHABLE


def test_an_unreachable_database_is_an_error_when_opened() -> None:
    opener = open_postgres("postgresql://team:secret@127.0.0.1:1/ledger")
    with pytest.raises(LedgerError, match="cannot be reached") as caught:
        opener()
    assert caught.value.fault is LedgerFault.UNREACHABLE
    assert "secret" not in "".join(traceback.format_exception(caught.value))


def test_the_hash_of_a_key_distinguishes_keys_and_addresses() -> None:
    pairs = [("https://a/v1", "k"), ("https://b/v1", "k"), ("https://a/v1", "l")]
    assert len({key_hash(*pair) for pair in pairs}) == 3
    assert key_hash(*pairs[0]) == key_hash(*pairs[0])
    assert len(key_hash(*pairs[0])) == 32


def _without_psycopg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "rightmodel.ledger.postgres", raising=False)
