"""The client knows nothing of deployments: the quicker one answers it."""

from __future__ import annotations

import pytest
from served import Server


@pytest.fixture(scope="session")
def server(embedded: Server) -> Server:
    return embedded
