from __future__ import annotations

import json
import tomllib

from jsonschema import Draft202012Validator

from rightmodel.manifest.read import shipped_dir, shipped_names
from rightmodel.manifest.schema import json_schema


def test_the_shipped_json_schema_is_the_one_that_is_enforced() -> None:
    shipped = json.loads((shipped_dir() / "manifest.schema.json").read_text())
    assert shipped == json_schema()
    Draft202012Validator.check_schema(shipped)
    assert not list(Draft202012Validator(shipped).iter_errors({"version": 1}))
    assert list(Draft202012Validator(shipped).iter_errors({"version": 1, "tire": "cheap"}))


def test_shipped_models_are_known_to_an_editor_that_uses_it() -> None:
    validator = Draft202012Validator(json_schema())
    for name in shipped_names():
        text = (shipped_dir() / f"{name}.toml").read_text()
        data = json.loads(json.dumps(tomllib.loads(text), default=str))
        assert not [e.message for e in validator.iter_errors(data)], name
