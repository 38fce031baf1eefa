"""The running service against its own OpenAPI document: whatever a client makes of that, the answers are those it describes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from served import Server

EXAMPLES = os.environ.get("SNAP6D_CHAOS", "6")
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
    "negative_data_rejection",
)


@pytest.fixture
def server(embedded: Server) -> Server:
    """The document is the same in every deployment."""
    return embedded


def test_answers_are_as_the_document_says(server: Server, ready_object: str, tmp_path: Path) -> None:
    job_id = server.client.get(f"/objects/{ready_object}").json()["job_id"]
    config = tmp_path / "schemathesis.toml"
    config.write_text(
        f'[parameters]\nobject_id = "{ready_object}"\njob_id = "{job_id}"\n'
        '[[operations]]\ninclude-method = "DELETE"\nparameters = { object_id = "obj_0" }\n'
    )
    command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(config), "run"]
    command += [str(server.client.base_url.join("/openapi.json"))]
    command += ["--checks", ",".join(CHECKS), "--max-examples", EXAMPLES, "--seed", "1", "--phases", "examples,coverage,fuzzing"]
    done = subprocess.run([*command, "--no-shrink"], cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr
    assert server.client.get("/readyz").status_code == 200
    assert not list((server.data / "incoming").iterdir())
