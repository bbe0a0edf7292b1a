"""Imports the part of the SDK that serves, without its clients and its high-level server.

The packages `mcp` and `mcp.server` import both, which is a fifth of the time of a first call and
nothing that we use. So the two packages are initialised only when something asks them for a name.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from types import ModuleType

NEEDED: Final = ("mcp.server.lowlevel", "mcp.shared.message")


def import_server() -> None:
    """Import what `server` and `stdio` need of the SDK, unless it is imported already."""
    if "mcp" in sys.modules:
        return
    sdk = _lazy_package("mcp", None)
    sdk.server = _lazy_package("mcp.server", list(sdk.__path__))  # type: ignore[attr-defined]
    for name in NEEDED:
        importlib.import_module(name)


def _lazy_package(name: str, search: list[str] | None) -> ModuleType:
    """A package whose `__init__` runs when it is first asked for a name that it does not have."""
    spec = PathFinder.find_spec(name, search)
    if spec is None or spec.loader is None:
        raise ImportError(name)
    loader, package = spec.loader, module_from_spec(spec)

    def initialise(attribute: str) -> Any:
        del package.__getattr__
        loader.exec_module(package)
        return getattr(package, attribute)

    package.__getattr__ = initialise  # type: ignore[method-assign]
    sys.modules[name] = package
    return package
