from __future__ import annotations

import pytest

from rightmodel.surfaces.mcp.options import ServeOptions, parse_serve


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ("serve", ServeOptions()),
        ("serve --manifest m.toml --env-file=.env", ServeOptions("m.toml", ".env")),
        ("serve --deadline 30 --deadline=40.5", ServeOptions(deadline=40.5)),
        ("serve --http 8765 --token-env T", ServeOptions(http="8765", token_env="T")),
        ("serve --warm-up", ServeOptions(warm_up=True)),
        ("serve --warm-up --no-warm-up", ServeOptions()),
        ("", None),
        ("ask", None),
        ("ask serve", None),
        ("serve --help", None),
        ("serve extra", None),
        ("serve --manifest", None),
        ("serve --deadline soon", None),
        ("serve --deadline 0", None),
        ("serve --deadline nan", None),
        ("serve --warm_up", None),
        ("serve --token_env=T", None),
        ("serve -h", None),
    ],
)
def test_a_plain_serve_is_read_and_anything_else_left_to_the_command_line(
    arguments: str, options: ServeOptions | None
) -> None:
    assert parse_serve(arguments.split()) == options
