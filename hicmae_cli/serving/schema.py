"""What the OpenAPI document says of bodies and answers, and a plain page of it that loads nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

from pydantic import BaseModel, Field

from hicmae_cli.runtime.results import SCHEMA
from hicmae_cli.serving.answers import EVENTS, NDJSON
from hicmae_cli.serving.uploads import FIELD, RAW_TYPES


class ErrorAnswer(BaseModel):
    """What every refusal says."""

    error: str = Field(description="One sentence: what was wrong, and what to do.")


class Health(BaseModel):
    """Whether the server works."""

    status: str = Field(description="`ok`")
    version: str = Field(description="Version of hicmae.")
    waiting: int = Field(description="Requests that wait for their prediction.")


_BINARY: Final = {"type": "string", "format": "binary", "minLength": 1}
BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": f"A form with the file as the part `{FIELD}`, or the file itself. A video, a sound or a "
        "photograph; never a URL or a path.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {FIELD: _BINARY},
                    "required": [FIELD],
                    "additionalProperties": False,
                }
            },
            **{kind: {"schema": _BINARY} for kind in RAW_TYPES},
        },
    }
}
_DOCUMENT: Final = {
    "type": "object",
    "description": "The document of `hicmae predict --json`, with one file.",
    "required": ["schema", "weights", "settings", "files"],
    "properties": {
        "schema": {"type": "string", "enum": [SCHEMA]},
        "weights": {"type": "object", "required": ["name", "licence", "sha256"]},
        "settings": {"type": "object"},
        "files": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": {
                "type": "object",
                "required": ["path", "status", "message", "tracks"],
                "properties": {
                    "path": {"type": "string"},
                    "status": {"type": "string", "enum": ["ok", "no-face"]},
                    "message": {"type": "string"},
                    "tracks": {"type": "array", "items": {"type": "object", "required": ["id", "windows"]}},
                },
            },
        },
    },
}
_STREAM: Final = "one JSON object per {}: `waiting`, `progress`, then `result` (with `prediction`) or `error`"
_REFUSALS: Final = {
    400: "The form is damaged or has no file, or the file is empty.",
    401: "The token is missing or wrong.",
    403: "The request comes from a page of another site.",
    408: "The file arrives too slowly.",
    413: "The body is too large.",
    415: "The body has a type that is not accepted.",
    422: "The file cannot be predicted, or a parameter has a wrong value.",
    500: "The process that read the file crashed, or was killed; or the server has an error, which its log describes.",
    503: "The queue is full; `Retry-After` says when to try again.",
    504: "The time limit of the request is over.",
}


def list_answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """List refusals by their status, for a route."""
    content = {"application/json": {"schema": ErrorAnswer.model_json_schema()}}
    return {status: {"description": _REFUSALS[status], "content": content} for status in statuses}


PREDICTION_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The prediction.",
        "content": {
            "application/json": {"schema": _DOCUMENT},
            NDJSON: {"schema": {"type": "string", "description": _STREAM.format("line")}},
            EVENTS: {"schema": {"type": "string", "description": _STREAM.format("event")}},
        },
    }
}
"""Answers of ``POST /predict`` that are no refusals."""
PREDICTION_REFUSALS: Final = (400, 403, 408, 413, 415, 422, 500, 503, 504)
_STYLE: Final = """
body{margin:2rem auto;max-width:52rem;padding:0 1rem;font:16px/1.5 system-ui,sans-serif;color:#1d2127;background:#fff}
h2{margin:2.5rem 0 .5rem;font-size:1.2rem}code{font:.9em ui-monospace,monospace}
table{border-collapse:collapse;width:100%;margin:1rem 0}td:first-child{width:15rem}
td,th{border-bottom:1px solid #dedbd3;padding:.3rem .8rem .3rem 0;text-align:left;vertical-align:top}
@media(prefers-color-scheme:dark){body{color:#eceae4;background:#121519}a{color:#86bdf0}td,th{border-color:#2d333c}}
"""


def write_page(document: Mapping[str, Any]) -> str:
    """Write an OpenAPI document as an HTML page without scripts.

    Args:
        document: as ``FastAPI.openapi`` makes it.
    """
    title = escape(f"{document['info']['title']} {document['info']['version']}")
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<style>{_STYLE}</style><h1>{title}</h1>",
        f"<p>{escape(document['info']['description'])}</p>",
        '<p>The same for programs: <a href="openapi.json">openapi.json</a> (OpenAPI).</p>',
    ]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parts.append(f"<h2><code>{escape(method.upper())} {escape(path)}</code></h2>")
            parts.append(f"<p>{_write_text(operation['description'])}</p>")
            parts += _write_table("body", _describe_body(operation.get("requestBody", {})))
            parts += _write_table("parameter", _describe_parameters(operation.get("parameters", ())))
            parts += _write_table("answer", _describe_answers(operation["responses"]))
    return "\n".join([*parts, "</html>\n"])


def _describe_body(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for kind in body.get("content", {}):
        yield kind, f"a form with the part {FIELD}" if kind.startswith("multipart") else "the file itself"


def _describe_parameters(parameters: Any) -> Iterator[tuple[str, str]]:
    for parameter in parameters:
        yield parameter["name"], f"{parameter.get('description', '')} ({parameter['in']})"


def _describe_answers(answers: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for status, answer in answers.items():
        kinds = ", ".join(f"`{kind}`" for kind in answer.get("content", {}))
        yield status, f"{answer['description']} {kinds}"


def _write_table(title: str, rows: Iterator[tuple[str, str]]) -> list[str]:
    cells = [f"<tr><td><code>{escape(name)}</code><td>{_write_text(text)}" for name, text in rows]
    return [f"<table><tr><th>{title}<th>meaning", *cells, "</table>"] if cells else []


def _write_text(text: str) -> str:
    """Write a text in which backticks mark code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))
