"""Static files: nothing from elsewhere, and no way out of the folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from hicmae_cli.serving.pages import OWN_PAGE
from tests.serving.fakes import make_app


@pytest.fixture
def web(tmp_path: Path) -> Path:
    folder = tmp_path / "web"
    (folder / "parts").mkdir(parents=True)
    (folder / "index.html").write_text("<h1>mine</h1>")
    (folder / "parts" / "model.wasm").write_bytes(b"wasm")
    (folder / ".hidden").write_text("hidden")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "out").symlink_to(tmp_path, target_is_directory=True)
    return folder


def test_a_folder_is_shown_and_nothing_outside_of_it(web: Path) -> None:
    with TestClient(make_app(web=web)) as client:
        assert client.get("/").text == "<h1>mine</h1>"
        wasm = client.get("/parts/model.wasm")
        assert (wasm.content, wasm.headers["content-type"]) == (b"wasm", "application/wasm")
        assert wasm.headers["cross-origin-embedder-policy"] == "require-corp"
        for path in (
            "/link.txt",
            "/out/secret.txt",
            "/../secret.txt",
            "/%2e%2e/secret.txt",
            "/parts/..%2f..%2fsecret.txt",
            "/..%5csecret.txt",
            "//etc/passwd",
            "/%2fetc%2fpasswd",
            "/.hidden",
            "/loop",
            "/a%00b",
            "/" + "a" * 5000,
        ):
            answer = client.get(path)
            assert answer.status_code == 404, path
            assert list(answer.json()) == ["error"]
        assert client.get("/health").json()["status"] == "ok"  # the folder hides no route


def test_our_pages_load_nothing_from_elsewhere() -> None:
    with TestClient(make_app()) as client:
        front = client.get("/")
        assert "default-src 'none'" in front.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in front.headers["content-security-policy"]
        for path in ("/", "/page.js", "/style.css", "/docs"):
            text = client.get(path).text
            assert not re.search(r"(https?:)?//(?!\s)[a-z]+\.", text), path
        for link in re.findall(r'(?:href|src)="([^":]+)"', front.text):
            assert client.get(f"/{link}").status_code == 200, link


def test_the_page_uses_no_html_of_others() -> None:
    script = (OWN_PAGE / "page.js").read_text("utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", script)
    page = (OWN_PAGE / "index.html").read_text("utf-8")
    assert set(re.findall(r'\$\("(\w+)"\)', script)) <= set(re.findall(r'id="(\w+)"', page))


def test_the_page_of_the_api_names_every_route() -> None:
    with TestClient(make_app(token="t")) as client:
        text = client.get("/docs").text
        document = client.get("/openapi.json").json()
        for path in document["paths"]:
            assert path in text
        assert "<script" not in text
        assert "503" in text and "smooth_s" in text and "multipart/form-data" in text
