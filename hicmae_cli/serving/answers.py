"""What a client gets: the JSON document of ``hicmae predict``, or a stream of its progress that ends with it."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, aclosing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from fastapi import HTTPException, Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from hicmae_cli.errors import HicmaeError, first_line, one_line
from hicmae_cli.report.files import to_json
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.model_record import ModelRecord
from hicmae_cli.runtime.results import FileResult
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.serving.desk import Desk, Job
from hicmae_cli.workers import WorkerDiedError

_LOG: Final = logging.getLogger(__name__)
NDJSON: Final = "application/x-ndjson"
EVENTS: Final = "text/event-stream"
_LOOK_EVERY_S: Final = 0.2
# Proxies close a connection that says nothing for long.
_SAY_EVERY_S: Final = 10.0
# A client that reads nothing for so long must not keep its place in the queue.
_UNREAD_S: Final = 30.0


@dataclass(frozen=True)
class Order:
    """One prediction that a client waits for.

    Attributes:
        job: the prediction.
        path: the file on the disk.
        name: what the client calls the file.
        until_s: when the time limit of the request ends, on the clock of ``time.monotonic``.
        model: the weight.
        settings: of the prediction, with the client's wishes for the timelines.
    """

    job: Job
    path: Path
    name: str
    until_s: float
    model: ModelRecord
    settings: PredictSettings


def choose_stream(accept: str) -> str | None:
    """Return the kind of stream that the header ``Accept`` names first; None for a plain answer."""
    kinds = [kind.partition(";")[0].strip().lower() for kind in accept.split(",")]
    return next((kind for kind in kinds if kind in (NDJSON, EVENTS)), None)


async def answer_whole(order: Order, desk: Desk, request: Request) -> Response:
    """Wait for a prediction, and answer with its document.

    Raises:
        HTTPException: 422, the file cannot be predicted; 500, the process that read it ended; 504, the time is over.
        ClientDisconnect: the client is gone.
    """
    async for _ in _follow(order, desk, request):
        pass
    document = await _conclude(order)
    return Response(await asyncio.to_thread(to_json, document), media_type="application/json")


class StreamedAnswer(Response):
    """The progress of a prediction as it goes on, then its document or an error, as one JSON object per event.

    Args:
        order: the prediction.
        desk: where it is.
        request: of the client.
        kind: `NDJSON` or `EVENTS`.
        held: what to give back at the end.
        on_end: called with the status of the last event.
    """

    def __init__(
        self, order: Order, desk: Desk, request: Request, kind: str, held: ExitStack, on_end: Callable[[int], None]
    ) -> None:
        super().__init__(media_type=kind, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        # Its length is not known.
        del self.headers["content-length"]
        self._order, self._desk, self._request = order, desk, request
        self._write = _write_line if kind == NDJSON else _write_event
        self._held, self._on_end = held, on_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream. A client that does not read it is gone."""
        with self._held, suppress(asyncio.TimeoutError):
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async with aclosing(self._events()) as events:
                async for body in events:
                    message = {"type": "http.response.body", "body": body, "more_body": True}
                    await asyncio.wait_for(send(message), _UNREAD_S)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _events(self) -> AsyncGenerator[bytes, None]:
        status = GONE
        try:
            async with aclosing(_follow(self._order, self._desk, self._request)) as all_progress:
                async for progress in all_progress:
                    yield self._write(progress)
            document = await _conclude(self._order)
            last = await asyncio.to_thread(self._write, {"event": "result", "prediction": document})
            status = 200
            yield last
        except HTTPException as error:
            status = error.status_code
            yield self._write({"event": "error", "status": status, "error": error.detail})
        except ClientDisconnect:
            status = GONE
        finally:
            self._on_end(status)


GONE: Final = 499
"""Status in the counters for a client that left; nobody reads it."""


def _write_line(event: dict[str, Any]) -> bytes:
    return json.dumps(event, allow_nan=False).encode() + b"\n"


def _write_event(event: dict[str, Any]) -> bytes:
    return f"event: {event['event']}\ndata: {json.dumps(event, allow_nan=False)}\n\n".encode()


async def _follow(order: Order, desk: Desk, request: Request) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the progress until the prediction is done. If the client leaves or the time is over, it is stopped.

    Raises:
        HTTPException: 504.
        ClientDisconnect: the client is gone.
    """
    gone = asyncio.create_task(_wait_until_gone(request))
    done = asyncio.wrap_future(order.job.future)
    either: set[asyncio.Future[Any]] = {gone, done}
    said: dict[str, Any] = {}
    said_s = 0.0
    try:
        while not done.done():
            left_s = order.until_s - time.monotonic()
            if gone.done():
                raise ClientDisconnect
            if left_s <= 0:
                raise HTTPException(504, f"{order.name}: not done within the time limit of this server; it was stopped")
            if (now := _describe(order.job, desk)) != said or time.monotonic() - said_s >= _SAY_EVERY_S:
                said, said_s = now, time.monotonic()
                yield now
            await asyncio.wait(either, timeout=min(left_s, _LOOK_EVERY_S), return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        if not done.done():
            order.job.give_up()
        # Somebody must look at an error that came too late.
        done.add_done_callback(lambda future: future.cancelled() or future.exception())


async def _wait_until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _describe(job: Job, desk: Desk) -> dict[str, Any]:
    if job.seconds is None:
        return {"event": "waiting", "before": desk.count_before(job)}
    done_s, total_s = job.seconds
    return {"event": "progress", "done_s": round(done_s, 3), "total_s": round(total_s, 3)}


async def _conclude(order: Order) -> dict[str, Any]:
    """Return the document of a prediction that is done.

    Raises:
        HTTPException: 422, the file cannot be predicted; 500, the process that read it ended, or the fault is ours.
    """
    try:
        result = order.job.future.result(timeout=0)
    except WorkerDiedError as error:
        raise HTTPException(500, f"{order.name}: {error}") from error
    except HicmaeError as error:  # a new process could not load the model
        # Its text may name files of this machine, so only the log has it.
        _LOG.error("the model cannot be loaded any more: %s", one_line(first_line(error)))
        raise HTTPException(500, "the model cannot be loaded any more; the server's log says why") from error
    except Exception as error:
        _LOG.exception("unexpected error in a prediction")
        raise HTTPException(
            500, f"{order.name}: unexpected {type(error).__name__}; the server's log has the details"
        ) from error
    result = _rename(result, order)
    if result.status == "error":
        raise HTTPException(422, one_line(result.message))
    return await asyncio.to_thread(Prediction(order.model, order.settings, (result,)).to_dict)


def _rename(result: FileResult, order: Order) -> FileResult:
    """Return a result with the client's name of the file in place of ours, also in the message."""
    message = result.message.replace(str(order.path), order.name)
    return replace(result, path=Path(order.name), folder=None, message=message)
