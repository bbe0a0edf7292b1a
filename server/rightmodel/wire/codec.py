"""What a wire format has to provide: a request out of a `ModelRequest`, a decoder for its response.

Codecs are pure: sending, retrying and error classification belong to `upstream`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.wire.answer import Answer, Watch
    from rightmodel.wire.request import ModelRequest


class Codec(ABC):
    """One wire format.

    `schema_path`: where the JSON schema is in the body. `cap_paths`: where the output limit can
    be. `renamed`: what replaces a refused parameter. `needed`: parameters never left out.
    """

    schema_path: ClassVar[str]
    cap_paths: ClassVar[tuple[str, ...]]
    renamed: ClassVar[Mapping[str, str]] = {}
    needed: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def url(self, request: ModelRequest) -> str:
        """Where the request goes."""

    @abstractmethod
    def headers(self, request: ModelRequest) -> dict[str, str]:
        """Headers of the format's own, the key among them; names in lower case."""

    @abstractmethod
    def body(self, request: ModelRequest) -> dict[str, Any]:
        """The request's JSON."""

    @abstractmethod
    def answer(self, request: ModelRequest, watch: Watch | None) -> Answer:
        """A new decoder for the response to this request."""
