"""Where keys come from, and the error when one is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines import catalog_from
from rightmodel.core.errors import ManifestError
from rightmodel.core.task import WireFormat
from rightmodel.manifest.catalog import Provider
from rightmodel.manifest.keys import looks_like_key, near_misses
from rightmodel.manifest.load import load_catalog
from rightmodel.manifest.read import shipped_key_names
from rightmodel.manifest.settings import Settings, read_settings

KEY = "sk-test-12345678"
PASTED = [
    "sk-proj-abcDEF123456",
    "gsk_abcDEF0123456789abcd",
    "AIzaSyD9x8f7g6h5j4k3l2m1n0o",
    "xai-12345678901234567890",
    "0123456789abcdef0123456789abcdef",
    "hf_AbCdEfGhIjKlMnOpQrStUvWxYz",
    "sk_live_abcdefghijklmnopqrst",
]


def provider(key_env: str = "", key_file: str = "", name: str = "openai") -> Provider:
    url = "https://api.example.com"
    return Provider(name, WireFormat.OPENAI_CHAT, url, key_env=key_env, key_file=key_file)


def misses(wanted: str, name: str, variable: str) -> list[str]:
    return near_misses(wanted, name, {variable: KEY, "HOME": "/"}, shipped_key_names())


def no_key(environment: dict[str, str], key_env: str = "OPENAI_API_KEY") -> str:
    return Settings(None, environment).missing_key(provider(key_env))


@pytest.mark.parametrize(
    ("environment", "part"),
    [
        ({}, "OPENAI_API_KEY is not set; set it or use --env-file"),
        ({"OPENAI_KEY": KEY}, "OPENAI_KEY found; OPENAI_API_KEY is looked for"),
        ({"OPENAI_API_KEY": " "}, "is empty"),
        ({"OPENAI_API_KEY": "${OPENAI_API_KEY}"}, "still reads '${OPENAI_API_KEY}'"),
        ({"OPENAI_API_KEY": "<your key>"}, "still reads"),
        ({"OPENAI_API_KEY": f"{KEY}\n{KEY}"}, "more than one line"),
        ({"OPENAI_API_KEY": f"{KEY} x"}, "contains a space"),
        ({"OPENAI_API_KEY": f"{KEY}…"}, "a character that no key has"),
        ({"OPENAI_API_KEY": f"{KEY}\u200b"}, "a character that no key has"),
        ({"OPENAI_API_KEY": f"OPENAI_API_KEY={KEY}"}, "contains NAME=value"),
    ],
)
def test_a_missing_key_says_what_is_wrong_with_the_variable(
    environment: dict[str, str], part: str
) -> None:
    message = no_key(environment)
    assert part in message
    assert KEY not in message


@pytest.mark.parametrize(
    "name",
    [
        "OPENAI_KEY",
        "OPENAI_TOKEN",
        "OPEN_AI_API_KEY",
        "OPENAI_APIKEY",
        "openai_api_key",
        "OPENAI_API_KEYS",
        "OPNEAI_API_KEY",
        "OPENAI_SECRET_KEY",
    ],
)
def test_a_misspelt_variable_is_found(name: str) -> None:
    assert misses("OPENAI_API_KEY", "openai", name) == [name]


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("ZAI_API_KEY", "XAI_API_KEY"),
        ("OPENAI_API_KEY", "DEEPSEEK_API_KEY"),
        ("OPENAI_API_KEY", "OPENAI_BASE_URL"),
        ("OPENAI_API_KEY", "SSH_AUTH_SOCK"),
        ("OPENAI_API_KEY", "GITHUB_TOKEN"),
        ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
    ],
)
def test_another_providers_variable_is_no_misspelling(wanted: str, name: str) -> None:
    assert misses(wanted, wanted.partition("_")[0].lower(), name) == []


def test_without_a_manifest_a_misspelt_variable_is_in_the_notes() -> None:
    settings = Settings(None, {"ANTHROPIC_KEY": KEY})
    notes = load_catalog(None, has_key=settings.has_key, near_miss=settings.near_miss).notes
    assert notes[0] == (
        "anthropic is not connected: ANTHROPIC_KEY found; ANTHROPIC_API_KEY is looked for"
    )


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("sk-a b", "OPENAI_API_KEY contains a space or a character that no key has"),
        ("${OPENAI_API_KEY}", "OPENAI_API_KEY still reads '${OPENAI_API_KEY}'"),
    ],
)
def test_without_a_manifest_a_key_that_cannot_be_used_is_in_the_notes(value: str, why: str) -> None:
    settings = Settings(None, {"OPENAI_API_KEY": value})
    notes = load_catalog(None, has_key=settings.has_key, near_miss=settings.near_miss).notes
    assert notes[0].startswith(f"openai is not connected: {why}")


@pytest.mark.parametrize(
    "data",
    [
        KEY.encode(),
        f'"{KEY}"'.encode(),
        f"\ufeff{KEY}\r\n".encode(),
        KEY.encode("utf-16"),
        f"\n {KEY} \n".encode(),
    ],
)
def test_a_key_file_is_read_in_the_encodings_that_editors_write(
    tmp_path: Path, data: bytes
) -> None:
    (tmp_path / "key").write_bytes(data)
    assert Settings(None, {}).key(provider(key_file=str(tmp_path / "key"))) == KEY


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (None, "does not exist"),
        (b" \n", "is empty"),
        (b'""', "is empty"),
        (f"export A_KEY={KEY}".encode(), "contains NAME=value"),
        (f"{KEY}\n{KEY}".encode(), "more than one line"),
        (b"\xff\xfe\xff", "is not UTF-8 text"),
    ],
)
def test_an_unusable_key_file_says_why(tmp_path: Path, data: bytes | None, part: str) -> None:
    file = tmp_path / "key"
    if data is not None:
        file.write_bytes(data)
    message = Settings(None, {}).missing_key(provider(key_file=str(file)))
    assert part in message
    assert KEY not in message


def test_quotes_that_a_launcher_passed_on_are_not_part_of_the_key() -> None:
    settings = Settings(None, {"OPENAI_API_KEY": f'"{KEY}"'})
    assert settings.key(provider("OPENAI_API_KEY")) == KEY


def test_a_home_folder_of_an_unknown_user_is_a_missing_file() -> None:
    settings = read_settings(manifest="~nobody-of-that-name/m.toml", environment={})
    with pytest.raises(ManifestError, match="no such file"):
        load_catalog(settings.manifest, has_key=settings.has_key)


def test_a_key_file_is_relative_to_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf").mkdir()
    manifest = tmp_path / "conf" / "m.toml"
    manifest.write_text(
        'version = 1\n[providers.p]\nprotocol = "gemini"\nbase_url = "https://example.com"\n'
        'key_file = "key"\n'
    )
    (tmp_path / "conf" / "key").write_text(KEY)
    monkeypatch.chdir(tmp_path)
    settings = Settings(Path("conf/m.toml"), {})
    catalog = load_catalog(settings.manifest, has_key=settings.has_key)
    assert settings.key(catalog.providers["p"]) == KEY


@pytest.mark.parametrize("key", PASTED)
@pytest.mark.parametrize("where", ["key_env", "key_file"])
def test_a_key_pasted_into_the_manifest_is_explained_and_not_repeated(
    tmp_path: Path, key: str, where: str
) -> None:
    with pytest.raises(ManifestError, match="not the key itself") as caught:
        catalog_from(tmp_path, f'version = 1\n[providers.p]\n{where} = "{key}"\n')
    assert key not in str(caught.value)


def test_a_base_url_with_a_key_in_it_is_not_repeated(tmp_path: Path) -> None:
    for url in (f"https://e.com/v1?key={KEY}", f"https://{KEY}@e.com", f"ftp://e.com/{KEY}"):
        with pytest.raises(ManifestError) as caught:
            catalog_from(tmp_path, f'version = 1\n[providers.p]\nbase_url = "{url}"\n')
        assert KEY not in str(caught.value)


def test_a_key_in_any_other_value_of_the_manifest_is_not_repeated(tmp_path: Path) -> None:
    for line in (
        f'trust = "{PASTED[0]}"',
        f'api_key = "{PASTED[0]}"',
        f"max_concurrency = '{KEY}'",
    ):
        with pytest.raises(ManifestError) as caught:
            catalog_from(tmp_path, f"version = 1\n[providers.p]\n{line}\n")
        assert PASTED[0] not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "OPENAI_API_KEY",
        "MY_COMPANY_LLM_GATEWAY_KEY_2",
        "api_key_for_the_gateway",
        "~/.keys/openai.txt",
        "/run/secrets/openai_api_key",
        "AZURE_OPENAI_API_KEY_EASTUS2",
    ],
)
def test_names_and_paths_do_not_look_like_keys(name: str) -> None:
    assert not looks_like_key(name)


def test_secret_headers_keys_and_passwords_are_masked_but_harmless_headers_are_not(
    tmp_path: Path,
) -> None:
    path = tmp_path / "m.toml"
    path.write_text(
        'version = 1\n[ledger]\nurl = "postgresql://me:database-password@db.example.com/x"\n'
        '[providers.p]\nprotocol = "gemini"\nbase_url = "https://example.com"\nkey_env = "P_KEY"\n'
        'headers = { X-Title = "rightmodel", cf-aig-authorization = "Bearer cf-secret-123", '
        'x-org = "sk-proj-abcDEF1234567890" }\n'
    )
    settings = Settings(path, {"P_KEY": KEY, "PGPASSWORD": "another-password"})
    found = settings.secrets(load_catalog(path, has_key=settings.has_key))
    assert set(found) - {"Bearer"} == {
        KEY,
        "Bearer cf-secret-123",
        "cf-secret-123",
        "sk-proj-abcDEF1234567890",
        "database-password",
        "another-password",
    }
    assert found == sorted(found, key=len, reverse=True)
