"""What requests of all protocols have in common: text files inlined, a schema put in words."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

if TYPE_CHECKING:
    from rightmodel.core.task import Attachment, Turn
    from rightmodel.wire.request import ModelRequest


def text_of(turn: Turn) -> str:
    """The turn's text with its text files in front, each fenced and under its name."""
    if not turn.files:
        return turn.text
    files = [
        f"<file name={quoteattr(f.path)}>\n{f.data.decode('utf-8-sig', 'replace')}\n</file>"
        for f in turn.files
        if f.modality == "text"
    ]
    return "\n\n".join([*files, turn.text])


def other_files(turn: Turn) -> list[Attachment]:
    """The turn's files that are not text."""
    return [f for f in turn.files if f.modality != "text"]


def base64_of(file: Attachment) -> str:
    """The file's bytes as base64."""
    return base64.b64encode(file.data).decode()


def data_url(file: Attachment) -> str:
    """The file as a `data:` URL."""
    return f"data:{file.media_type};base64,{base64_of(file)}"


def name_of(file: Attachment) -> str:
    """The file's name without its folders."""
    return file.path.replace("\\", "/").rpartition("/")[2]


def system_of(request: ModelRequest) -> str:
    """The system prompt; with the schema in words where the model does not take it natively."""
    if request.schema is None or request.native_schema:
        return request.system
    wish = (
        "Answer with one JSON value and nothing else: no fences, no comment. "
        f"It must be valid against this JSON Schema:\n{json.dumps(request.schema)}"
    )
    return f"{request.system}\n\n{wish}" if request.system else wish
