"""The server as an application: its routes, its model, and its end."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.requests import ClientDisconnect

from hicmae_cli import __version__
from hicmae_cli.errors import one_line
from hicmae_cli.report.console import licence_line, weight_notice
from hicmae_cli.runtime.batch import PredictorPool
from hicmae_cli.runtime.model_record import ModelRecord
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.serving.answers import GONE, Order, StreamedAnswer, answer_whole, choose_stream
from hicmae_cli.serving.counters import Counters
from hicmae_cli.serving.desk import Desk, OneFilePool, QueueFullError
from hicmae_cli.serving.pages import OWN_PAGE, OWN_PAGE_HEADERS, WEB_HEADERS, Pages
from hicmae_cli.serving.schema import BODY, PREDICTION_ANSWERS, PREDICTION_REFUSALS, Health, list_answers, write_page
from hicmae_cli.serving.settings import ServeSettings
from hicmae_cli.serving.spool import Spool
from hicmae_cli.serving.uploads import Body, receive_file

_ABOUT: Final = (
    "Emotions in videos, sounds and photographs, per person and over time. Files are predicted one at a time, in a "
    "separate process, and then removed."
)
# New versions of FastAPI send traces if the environment says so; old ones ignore this.
_NO_TELEMETRY: Final[dict[str, Any]] = {
    "telemetry": {"auto_configure": False, "tracing": False, "metrics": False, "logs": False}
}


def open_pool(settings: ServeSettings) -> OneFilePool:
    """Load the model of a server, in its process.

    Raises:
        WeightsError: no such weight, not loadable, or loading it takes the process down.
        SettingsError: an engine, a device or settings that are not available.
        MissingDependencyError: packages of the engine are not installed.
    """
    # What is not the fault of a file must not look like it.
    return PredictorPool(settings.weights, settings.engine, settings.device, settings.predict, raise_unexpected=True)


def create_app(
    settings: ServeSettings | None = None, open_pool: Callable[[ServeSettings], OneFilePool] = open_pool
) -> FastAPI:
    """Load a model and make an application of it, for uvicorn or any other ASGI server; one process only.

    Args:
        settings: the model, its limits, the token and the web page.
        open_pool: opens what predicts.

    Returns:
        The application. ``app.state.model`` is the weight and the engine that runs it.

    Raises:
        WeightsError: no such weight, not loadable, or loading it takes the process down.
        SettingsError: an engine, a device or settings that are not available.
        MissingDependencyError: packages of the engine are not installed.
    """
    settings = settings or ServeSettings()
    pool = open_pool(settings)
    server = _Server(settings, pool)

    @asynccontextmanager
    async def live(app: FastAPI) -> AsyncIterator[None]:
        server.spool = Spool()
        try:
            yield
        finally:
            await asyncio.to_thread(server.close)

    app = FastAPI(
        title="hicmae",
        version=__version__,
        description=_ABOUT,
        # The pages of FastAPI load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        lifespan=live,
        **_NO_TELEMETRY,
    )
    app.state.model = pool.model
    _add_routes(app, server)
    # What no route takes: files only, never other methods of a route.
    is_own = settings.web is None
    app.router.default = Pages(settings.web or OWN_PAGE, OWN_PAGE_HEADERS if is_own else WEB_HEADERS)
    app.add_exception_handler(AnyHTTPException, _answer_refusal)
    app.add_exception_handler(RequestValidationError, _answer_wrong_parameter)
    app.add_exception_handler(Exception, _answer_unexpected)
    return app


def _add_routes(app: FastAPI, server: _Server) -> None:
    """Add the routes. With a token, those that say or do something need it."""
    inside: list[Any] = [Depends(_refuse_other_sites)]
    refusals = [403]
    if server.settings.token is not None:
        inside.append(Depends(server.check))
        refusals.append(401)
    app.add_api_route(
        "/predict",
        server.predict,
        methods=["POST"],
        dependencies=inside,
        responses=PREDICTION_ANSWERS | list_answers(*PREDICTION_REFUSALS, *refusals),
        response_class=Response,
        openapi_extra=BODY,
    )
    app.add_api_route(
        "/model", server.describe, methods=["GET"], dependencies=inside, responses=list_answers(*refusals)
    )
    app.add_api_route(
        "/metrics",
        server.count,
        methods=["GET"],
        dependencies=inside,
        responses=list_answers(*refusals),
        response_class=PlainTextResponse,
    )
    app.add_api_route("/health", server.answer_health, methods=["GET"])

    async def show_api() -> HTMLResponse:
        return HTMLResponse(write_page(app.openapi()), headers=OWN_PAGE_HEADERS | _INLINE_STYLE)

    app.add_api_route("/docs", show_api, methods=["GET"], include_in_schema=False)


_BEARER: Final = HTTPBearer(auto_error=False, description="The token of the server.")
_INLINE_STYLE: Final = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


class _Server:
    """The parts of a server, and what its routes do.

    Args:
        settings: of the server.
        pool: what predicts.
    """

    spool: Spool

    def __init__(self, settings: ServeSettings, pool: OneFilePool) -> None:
        self.settings = settings
        self._pool = pool
        # Not where its file lies.
        self._model = replace(pool.model, name=Path(pool.model.name).name)
        self._desk = Desk(pool, settings.queue)
        self._counters = Counters(self._desk)

    def close(self) -> None:
        """End the process of the model, and remove what is left of the uploads."""
        self._desk.close()
        self.spool.close()

    async def check(self, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]) -> None:
        """Check the token.

        Raises:
            HTTPException: 401.
        """
        wanted = self.settings.token or ""
        if given is None or not secrets.compare_digest(given.credentials.encode(), wanted.encode()):
            message = "the token is missing or wrong; send it as `Authorization: Bearer TOKEN`"
            raise HTTPException(401, message, {"WWW-Authenticate": "Bearer"})

    async def predict(
        self,
        request: Request,
        smooth_s: Annotated[
            float | None,
            Query(ge=0, le=3600, allow_inf_nan=False, description="Smooth timelines with a mean of so many seconds."),
        ] = None,
        abstain: Annotated[
            float | None,
            Query(ge=0, le=1, allow_inf_nan=False, description="Leave moments below this probability without a label."),
        ] = None,
    ) -> Response:
        """Predict a video, a sound or a photograph.

        The answer is the JSON document of `hicmae predict`. With `Accept: application/x-ndjson` or
        `text/event-stream`, it is a stream of progress that ends with the document.
        """
        began_s = time.monotonic()
        until_s = began_s + self.settings.time_limit_s
        body = request.state.body = Body(request, self.settings.max_bytes, until_s)

        def count(status: int) -> None:
            self._counters.count(status, body.size, time.monotonic() - began_s)

        status = 500
        try:
            with ExitStack() as held:
                held.enter_context(self._desk.take_place())
                wishes = self._pool.settings.retime(smooth_s, abstain)
                order = await self._take(request, body, until_s, wishes, held)
                kind = choose_stream(request.headers.get("accept", ""))
                if kind is None:
                    answer = await answer_whole(order, self._desk, request)
                    status = 200
                    return answer
                status = 0
                return StreamedAnswer(order, self._desk, request, kind, held.pop_all(), count)
        except ClientDisconnect:
            status = GONE
            return Response(status_code=GONE)
        except QueueFullError as error:
            status = 503
            raise HTTPException(503, str(error), {"Retry-After": str(error.retry_s)}) from error
        except HTTPException as error:
            status = error.status_code
            raise
        finally:
            if status:  # a stream counts itself, when it ends
                count(status)

    async def describe(self) -> dict[str, Any]:
        """Describe the model.

        Its labels, sampling, licence, what it was trained on and cannot judge, and the limits of this server.
        """
        return _describe_model(self._model) | {
            "settings": self._pool.settings.to_dict(),
            "limits": {
                "max_bytes": self.settings.max_bytes,
                "time_limit_s": self.settings.time_limit_s,
                "queue": self.settings.queue,
            },
        }

    async def count(self) -> PlainTextResponse:
        """Count requests, bytes, seconds and lost processes, in the text format of Prometheus."""
        return PlainTextResponse(self._counters.write())

    async def answer_health(self) -> Health:
        """Say that the server works, for probes of a supervisor."""
        return Health(status="ok", version=__version__, waiting=self._desk.waiting)

    async def _take(
        self, request: Request, body: Body, until_s: float, wishes: PredictSettings, held: ExitStack
    ) -> Order:
        """Receive a file and queue it; what it needs is given back when ``held`` closes."""
        path = held.enter_context(self.spool.make_path())
        name = await receive_file(request, body, path)
        job = self._desk.submit(path)
        held.callback(job.give_up)
        return Order(job, path, name, until_s, self._model, wishes)


def _describe_model(model: ModelRecord) -> dict[str, Any]:
    return {
        "weights": model.to_dict(),
        "summary": licence_line(model.name, model.info),
        "notice": weight_notice(model.name, model.info) or "",
    }


async def _refuse_other_sites(request: Request) -> None:
    """Refuse what a browser sends for a page of another site: a server on this machine must not work for it.

    Raises:
        HTTPException: 403.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        is_other = site not in ("same-origin", "none")
    else:
        # Browsers leave it out where another machine is addressed without TLS.
        origin = request.headers.get("origin")
        is_other = origin is not None and origin.partition("://")[2] != request.headers.get("host")
    if is_other:
        raise HTTPException(403, "requests from pages of other sites are refused")


async def _answer_refusal(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AnyHTTPException)
    body = getattr(request.state, "body", None) or Body(request, 0, 0.0)
    await body.discard()
    return JSONResponse({"error": str(error.detail)}, error.status_code, error.headers)


async def _answer_unexpected(request: Request, error: Exception) -> JSONResponse:
    # uvicorn logs the traceback.
    return JSONResponse({"error": f"unexpected {type(error).__name__} in the server"}, 500)


async def _answer_wrong_parameter(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    faults = [f"{fault['loc'][-1]}: {fault['msg']}" for fault in error.errors()]
    return JSONResponse({"error": one_line("; ".join(faults))}, 422)
