"""Run the page's scripts in Node."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

NODE = shutil.which("node")
PAGE = Path(str(files("hicmae_cli.web").joinpath("page")))
needs_node = pytest.mark.skipif(NODE is None, reason="needs Node, to run the page's scripts")


@cache
def _make_modules() -> Path:
    """A copy in which Node takes the scripts for modules, as a browser does."""
    folder = Path(tempfile.mkdtemp()) / "page"
    shutil.copytree(PAGE, folder)
    (folder / "package.json").write_text('{"type": "module"}')
    return folder


def run_script(script: str, data: Any = None) -> Any:
    """Run a script that imports modules of the page -> what it returns; ``data`` is there by this name."""
    modules = _make_modules()
    text = (
        "import { readFileSync } from 'node:fs';\n"
        f"const load = (name) => import({json.dumps(modules.as_uri())} + '/' + name);\n"
        "const data = JSON.parse(readFileSync(0, 'utf8'));\n"
        f"const result = await (async () => {{ {script} }})();\n"
        "process.stdout.write(JSON.stringify(result));\n"
    )
    done = subprocess.run(
        [str(NODE), "--input-type=module", "-e", text],
        input=json.dumps(data),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
