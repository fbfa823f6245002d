"""Web pages: a folder of static files, from which no link and no path leads out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from fastapi import HTTPException, Response
from starlette.staticfiles import PathLike, StaticFiles
from starlette.types import Scope

OWN_PAGE: Final = Path(__file__).parent / "page"
"""The page that uploads a file."""
_SAFE: Final = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
OWN_PAGE_HEADERS: Final = _SAFE | {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
"""Headers of our own page: it loads nothing from elsewhere, and no other page shows it in a frame."""
WEB_HEADERS: Final = _SAFE | {
    # A page that is isolated so may run its model on several threads.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}
"""Headers of an exported web page."""


class Pages(StaticFiles):
    """The files of a folder. Hidden files, and links that lead out of it, are not found.

    Args:
        folder: the folder.
        headers: of every file.
    """

    def __init__(self, folder: Path, headers: Mapping[str, str]) -> None:
        super().__init__(directory=folder, html=True)
        self._headers = dict(headers)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with a file.

        Raises:
            HTTPException: 404, 405.
        """
        if any(part.startswith(".") and part != "." for part in Path(path).parts):
            raise HTTPException(404)
        try:
            return await super().get_response(path, scope)
        except OSError as error:
            raise HTTPException(404) from error

    def file_response(
        self, full_path: PathLike, stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """Answer with a file that is there."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(self._headers)
        return response
