from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.pulling.host import Host, serving


@pytest.fixture
def host() -> Iterator[Host]:
    """A web server of this machine."""
    with serving() as running:
        yield running
