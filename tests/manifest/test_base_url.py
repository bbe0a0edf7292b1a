"""Base URLs are parsed: what stays on this machine, what is private, what is refused."""

from __future__ import annotations

import pytest

from rightmodel.manifest.base_url import clean_base_url, http_problem, is_loopback


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost/v1",
        "http://LOCALHOST:1234/v1",
        "http://127.0.0.1:11434/v1",
        "http://127.8.9.10",
        "http://[::1]:8080/v1",
        "http://[::ffff:127.0.0.1]/v1",
        "https://localhost",
    ],
)
def test_addresses_of_this_machine_are_loopback(url: str) -> None:
    assert is_loopback(clean_base_url(url))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1.example.com",
        "127.example.com",
        "127.0.0.1.nip.io",
        "localhost.example.com",
        "127.1",
        "0x7f.0.0.1",
        "2130706433",
        "[::2]",
        "[2001:db8::1]",
        "8.8.8.8",
        "example.com",
    ],
)
def test_names_and_addresses_that_only_resemble_loopback_are_not(host: str) -> None:
    assert not is_loopback(f"http://{host}/v1")
    assert "https://" in http_problem(f"http://{host}/v1", allow_http=False)


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.example#@127.0.0.1/v1",
        "http://evil.example?@127.0.0.1/v1",
        "http://evil.example\\@127.0.0.1/v1",
        "http://user:password@127.0.0.1/v1",
        "https://api.example.com/v1?key=1",
        "https://api.example.com/v1?",
        "https://api.example.com/v1#part",
        "https://api.example.com/v1\n",
        "https://api.example.com/\r\nX-Header: 1",
        "https://api.exa mple.com",
        "https://api.example.com:port/v1",
        "https://api.example.com:99999/v1",
        "https://api.example.com%2eevil.example/v1",
        "https://[::1/v1",
        "https:///v1",
        "https://",
        "ftp://api.example.com",
        "api.example.com/v1",
        "//api.example.com",
        "https://api.example.com/v1/chat/completions",
        "",
    ],
)
def test_an_ambiguous_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"must|valid"):
        clean_base_url(url)
    assert not is_loopback(url)


@pytest.mark.parametrize(
    "host",
    [
        "192.168.1.5",
        "10.0.0.7",
        "172.16.0.1",
        "100.64.3.2",
        "[fd00::5]",
        "gpu-box",
        "nas.local",
        "host.docker.internal",
    ],
)
def test_plain_http_to_a_private_address_needs_allow_http(host: str) -> None:
    url = f"http://{host}:8000/v1"
    assert "allow_http = true" in http_problem(url, allow_http=False)
    assert http_problem(url, allow_http=True) == ""


@pytest.mark.parametrize("host", ["example.com", "8.8.8.8", "169.254.169.254", "172.32.0.1"])
def test_allow_http_does_not_reach_beyond_the_private_network(host: str) -> None:
    assert "https://" in http_problem(f"http://{host}/v1", allow_http=True)


def test_an_address_to_listen_on_is_explained() -> None:
    assert "write 127.0.0.1" in http_problem("http://0.0.0.0:11434/v1", allow_http=True)


def test_a_slash_at_the_end_is_dropped() -> None:
    assert clean_base_url("HTTPS://api.example.com/v1/") == "https://api.example.com/v1"
