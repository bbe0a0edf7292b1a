"""Writes the manifest's JSON Schema beside the shipped manifests: `python scripts/schema.py`."""

from __future__ import annotations

import json

from rightmodel.manifest.read import shipped_dir
from rightmodel.manifest.schema import json_schema

if __name__ == "__main__":
    text = json.dumps(json_schema(), indent=2) + "\n"
    (shipped_dir() / "manifest.schema.json").write_text(text, encoding="utf-8")
