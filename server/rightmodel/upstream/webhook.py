"""Posts a document to a webhook."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


async def post_json(url: str, document: Mapping[str, Any]) -> str:
    """Why the receiver did not take it, "" where it did. Sets no deadline; the URL is a secret."""
    import httpx2

    body = json.dumps(document, ensure_ascii=False).encode()
    headers = {"content-type": "application/json", "user-agent": "rightmodel"}
    try:
        async with httpx2.AsyncClient(timeout=None) as client:
            response = await client.post(url, content=body, headers=headers)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return type(error).__name__
    return "" if response.is_success else f"status {response.status_code}"
