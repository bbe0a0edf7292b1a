"""Former name of `rightmodel.routing.tokens`, kept for scripts that import from it."""

from rightmodel.routing.tokens import estimate_tokens

__all__ = ["estimate_tokens"]
