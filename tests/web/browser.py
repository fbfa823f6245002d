"""A headless Chromium over its debugging pipe: no other package is needed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    """Sends commands of the DevTools protocol, and keeps what the page and its workers report.

    Attributes:
        requests: address of each request of the page and its workers.
        said: what they wrote to the console, and errors that nobody caught.
    """

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read, self._number = write, read, 0
        self._answers: dict[int, dict[str, Any]] = {}
        self._arrived = threading.Condition()
        self._later: deque[tuple[str, dict[str, Any], str]] = deque()
        self.requests: list[str] = []
        self.said: list[str] = []
        self.workers: list[str] = []
        threading.Thread(target=self._listen, daemon=True).start()
        target = self.send("Target.createTarget", {"url": "about:blank"})["targetId"]
        self.page = self.send("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        self._watch(self.page)

    def open(self, url: str) -> None:
        """Go to an address."""
        self.send("Page.enable", {}, self.page)
        self.send("Page.navigate", {"url": url}, self.page)
        self.wait("location.href !== 'about:blank' && document.readyState === 'complete'")

    def run(self, script: str, session: str | None = None) -> Any:
        """Run a script, which may be a promise -> its value."""
        expression = {"expression": script, "awaitPromise": True, "returnByValue": True, "userGesture": True}
        answer = self.send("Runtime.evaluate", expression, session or self.page)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise RuntimeError(details.get("exception", {}).get("description") or details["text"])
        return answer["result"].get("value")

    def wait(self, script: str, seconds: float = 60) -> Any:
        """Run a script again and again until its value is true -> the value."""
        end = time.monotonic() + seconds
        while not (value := self.run(script)):
            if time.monotonic() > end:
                raise TimeoutError(f"{script} is not true after {seconds} s; the console has {self.said}")
            time.sleep(0.1)
        return value

    def choose_file(self, selector: str, path: Path) -> None:
        """Choose a file in an input of the page."""
        root = self.send("DOM.getDocument", {}, self.page)["root"]["nodeId"]
        node = self.send("DOM.querySelector", {"nodeId": root, "selector": selector}, self.page)["nodeId"]
        self.send("DOM.setFileInputFiles", {"files": [str(path)], "nodeId": node}, self.page)

    def send(self, method: str, params: dict[str, Any], session: str | None = None, seconds: float = 300) -> Any:
        """Send a command -> its result."""
        number = self._post(method, params, session)
        with self._arrived:
            if not self._arrived.wait_for(lambda: number in self._answers, seconds):
                raise TimeoutError(method)
            answer = self._answers.pop(number)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def _watch(self, session: str) -> None:
        """Ask a page or worker to report; do not wait for the answers."""
        self._post("Network.enable", {}, session)
        self._post("Runtime.enable", {}, session)
        self._post("Log.enable", {}, session)
        attach = {"autoAttach": True, "waitForDebuggerOnStart": True, "flatten": True}
        self._post("Target.setAutoAttach", attach, session)
        self._post("Runtime.runIfWaitingForDebugger", {}, session)

    def _post(self, method: str, params: dict[str, Any], session: str | None) -> int:
        with self._arrived:
            self._number += 1
            number = self._number
            message: dict[str, Any] = {"id": number, "method": method, "params": params}
            if session:
                message["sessionId"] = session
            data = json.dumps(message).encode() + b"\0"
            while data:
                data = data[os.write(self._write, data) :]
        return number

    def _listen(self) -> None:
        rest = b""
        while block := os.read(self._read, 1 << 16):
            *messages, rest = (rest + block).split(b"\0")
            for message in map(json.loads, messages):
                if "id" in message:
                    with self._arrived:
                        self._answers[message["id"]] = message
                        self._arrived.notify_all()
                else:
                    self._note(message["method"], message["params"])

    def _note(self, method: str, params: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Target.attachedToTarget" and hasattr(self, "page"):
            self.workers.append(params["sessionId"])
            self._watch(params["sessionId"])
        elif method == "Runtime.consoleAPICalled":
            self.said.append(" ".join(str(part.get("value", part.get("description"))) for part in params["args"]))
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.said.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Log.entryAdded":
            self.said.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")


@contextmanager
def open_browser(home: Path, *flags: str) -> Iterator[Browser]:
    """Start Chromium, and end it afterwards."""
    to_browser, write = os.pipe()
    read, from_browser = os.pipe()

    def place() -> None:
        """The browser reads descriptor 3 and writes 4; the copies come first, so that neither is overwritten."""
        first, second = os.dup(to_browser), os.dup(from_browser)
        os.dup2(first, 3)
        os.dup2(second, 4)

    command = [
        str(CHROMIUM),
        "--headless",
        "--no-sandbox",
        "--no-first-run",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--remote-debugging-pipe",
        f"--user-data-dir={home}",
        *flags,
    ]
    process = subprocess.Popen(
        command, preexec_fn=place, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(to_browser)
    os.close(from_browser)
    try:
        yield Browser(write, read)
    finally:
        process.terminate()
        process.wait(30)
        os.close(write)


@contextmanager
def serve(folder: Path, headers: dict[str, str] | None = None) -> Iterator[str]:
    """Serve a folder on this machine -> its address."""

    class Handler(SimpleHTTPRequestHandler):
        def end_headers(self) -> None:
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            super().end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    make: Callable[..., SimpleHTTPRequestHandler] = partial(Handler, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), make)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
