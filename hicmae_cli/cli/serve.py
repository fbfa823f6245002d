"""``hicmae serve``: predict over HTTP."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from hicmae_cli.bundled import DEFAULT_WEIGHT
from hicmae_cli.cli.options import (
    AbstainOption,
    DeviceOption,
    EngineOption,
    FacesOption,
    HopOption,
    QuietOption,
    SmoothOption,
    WeightsOption,
    parse_faces,
    parse_path,
)
from hicmae_cli.errors import HicmaeError, MissingDependencyError, install_hint
from hicmae_cli.runtime.engines import missing_packages

_PACKAGES = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")
_HERE = ("127.0.0.1", "localhost", "::1")


def serve(
    weights: WeightsOption = DEFAULT_WEIGHT,
    engine: EngineOption = "auto",
    device: DeviceOption = "auto",
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8000,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="HICMAE_TOKEN",
            metavar="TEXT",
            help="Answer only requests with `Authorization: Bearer TEXT`. Other users can see an option in the list of "
            "processes; the variable HICMAE_TOKEN hides it.",
        ),
    ] = None,
    web: Annotated[
        Path | None,
        typer.Option(metavar="DIR", parser=parse_path, help="Folder of web pages to show instead of the upload page."),
    ] = None,
    max_size: Annotated[float, typer.Option(metavar="MB", help="Largest upload, in megabytes.")] = 500.0,
    time_limit: Annotated[
        float, typer.Option(metavar="SECONDS", help="Longest time for a request, including upload and queue.")
    ] = 600.0,
    queue: Annotated[
        int, typer.Option(metavar="N", help="Most requests in the queue; further ones are told when to try again.")
    ] = 8,
    modality: Annotated[
        str, typer.Option(help="Streams to use: auto takes those that a file has; av, video and audio require theirs.")
    ] = "auto",
    hop: HopOption = None,
    faces: FacesOption = "4",
    sound: Annotated[
        str, typer.Option(help="Who gets the sound: speaker gives a voice to who speaks; shared gives it to everybody.")
    ] = "speaker",
    smooth: SmoothOption = 0.0,
    abstain: AbstainOption = 0.0,
    quiet: QuietOption = False,
) -> None:
    """Predict over HTTP: one model, a queue, progress while it works, and an upload page.

    `POST /predict` takes a video, a sound or a photograph, and answers with the JSON of `hicmae predict`. Files are
    read in a separate process, so a file that crashes it fails only its own request. After Ctrl-C or SIGTERM the server
    answers the requests that it has, and ends.

    There is no encryption, and no login but a token: before you let other machines in, put a proxy in front of it.

    [bold]Examples[/bold]

        hicmae serve

        hicmae serve --weights my-model --port 9000 --max-size 100
    """
    if missing := missing_packages(_PACKAGES):
        raise MissingDependencyError(f"hicmae serve needs {', '.join(missing)}: {install_hint('serve')}")
    from hicmae_cli.cli.pull import offer_pull
    from hicmae_cli.cli.saying import introduce
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.runtime.settings import PredictSettings
    from hicmae_cli.serving.app import create_app
    from hicmae_cli.serving.listening import listen, run
    from hicmae_cli.serving.settings import ServeSettings

    predict = PredictSettings(
        modality, None, hop, parse_faces(faces), smooth_s=smooth or 0.0, abstain=abstain or 0.0, sound=sound
    )
    # The process that reads the files of strangers need not know it.
    os.environ.pop("HICMAE_TOKEN", None)
    settings = ServeSettings(weights, engine, device, predict, max_size, time_limit, queue, token, web)
    offer_pull(weights)
    screen = Screen(quiet=quiet)
    # Before the model is loaded: a port that is taken is to be known at once.
    with listen(host, port) as opened:
        with screen.wait("loading the model"):
            app = create_app(settings)
        introduce(screen, app.state.model, device)
        if host not in _HERE and token is None:
            screen.warn(
                f"{host}: anyone who can reach this machine can use the server (no token) and read uploads in transit "
                "(no encryption); put a proxy with a login and TLS in front of it"
            )
        elif host not in _HERE:
            screen.warn(
                f"{host}: uploads and the token are not encrypted in transit; put a proxy with TLS in front of it"
            )
        screen.done("serves", f"http://{opened.address} (API: /docs; Ctrl-C ends it)")
        screen.say(f"limits: {max_size:g} MB and {time_limit:g} s per request, at most {queue} in the queue")
        if not run(app, opened, access_log=not quiet, patience_s=time_limit):
            raise HicmaeError("the server could not start")
