"""What the files, the environment and running servers say of a provider or model, in layers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from rightmodel.manifest.read import shipped_manifest
from rightmodel.manifest.schema import ModelTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.manifest.local_servers import Served, ServedModel
    from rightmodel.manifest.schema import ProviderTable

_MERGED: Final = ("cost", "limits", "skills")
"""Tables of a model that an override changes key by key instead of replacing."""


@dataclass(slots=True)
class Draft:
    """Values laid over one another, and the file that each came from."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)

    def lay_over(self, table: ModelTable | ProviderTable, origin: str) -> None:
        """A layer on top: what a table says wins over what is there."""
        for key, value in table.model_dump(exclude_unset=True).items():
            if key == "cost" and value and self.values.get("cost_when"):
                self._outrank(value)
            if key in _MERGED and isinstance(value, dict):
                self.values[key] = {**self.values.get(key, {}), **value}
                self.origins.update({f"{key}.{sub}": origin for sub in value})
            else:
                self.values[key] = value
                self.origins[key] = origin

    def lay_over_draft(self, other: Draft) -> None:
        """The same for what another draft has gathered."""
        self.values.update(other.values)
        self.origins.update(other.origins)

    def _outrank(self, cost: Mapping[str, Any]) -> None:
        """What is written as `cost` holds at every size and hour, whatever a lower layer says."""
        self.values["cost_when"] = [
            {k: v for k, v in entry.items() if k not in cost} for entry in self.values["cost_when"]
        ]


def shipped_label(name: str) -> str:
    """The origin of values from a shipped manifest."""
    return f"shipped {name}.toml"


def shipped_draft(model_id: str) -> Draft:
    """What a shipped manifest says of an id, nothing where none does."""
    draft = Draft()
    provider = model_id.partition("/")[0]
    shipped = shipped_manifest(provider)
    for table in shipped.models if shipped else ():
        if table.id == model_id:
            draft.lay_over(table, shipped_label(provider))
    return draft


def served_drafts(name: str, served: Served, notes: list[str]) -> dict[str, Draft]:
    """Models that a local server lists: what a shipped manifest knows of them, else defaults.

    What the server sends is validated like the models of a file; `notes` says what is left out.
    """
    drafts = {}
    for model in served.models:
        model_id = re.sub(r"[\s,]", "-", f"{name}/{model.name}")
        shipped = shipped_draft(model_id)
        try:
            basic = ModelTable(id=model_id, provider=name, name=model.name)
            known = _as_table(model_id, model, shipped.values)
        except ValidationError:
            notes.append(f"{name} lists a model with an unusable name; it is left out")
            continue
        draft = Draft()
        draft.lay_over(basic, f"the running {name}")
        draft.lay_over_draft(shipped)
        draft.lay_over(known, f"the running {name}")
        drafts[model_id] = draft
    return drafts


def _as_table(model_id: str, served: ServedModel, shipped: Mapping[str, Any]) -> ModelTable:
    """What a server says of a model, added to what is shipped."""
    stated: dict[str, Any] = {"id": model_id}
    if served.context:
        stated["limits"] = {"context": served.context}
    if served.features:
        stated["features"] = sorted({*shipped.get("features", ()), *served.features})
    if served.image:
        stated["input"] = sorted({*shipped.get("input", ()), "text", "image"})
    return ModelTable.model_validate(stated)
