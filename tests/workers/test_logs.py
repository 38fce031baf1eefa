"""Log lines for programs and for people."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import threading

import pytest

from workers.logs import Format, JsonLines, Text, bind, bound, request_id


def lines_of(formatter: logging.Formatter) -> tuple[logging.Logger, io.StringIO]:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    logger = logging.Logger("snap6d.test")
    logger.addHandler(handler)
    return logger, out


def test_a_json_line_says_what_it_is_about_and_keeps_to_one_line() -> None:
    logger, out = lines_of(JsonLines())
    with bound(request_id="r", job="job_1", stage="sfm", attempt=2, tenant="acme"):
        try:
            raise KeyError("a defect\nwith two lines")
        except KeyError:
            logger.exception("went wrong: %s", "so\nand so")
    logger.info("outside")
    first, second = (json.loads(line) for line in out.getvalue().splitlines())
    about = {"request_id": "r", "job": "job_1", "stage": "sfm", "attempt": 2, "tenant": "acme"}
    assert about.items() <= first.items()
    assert (first["level"], first["message"], first["logger"]) == ("error", "went wrong: so\nand so", "snap6d.test")
    assert "KeyError" in first["exception"]
    assert set(second) == {"time", "level", "message", "logger"}


def test_a_text_line_says_it_in_brackets() -> None:
    logger, out = lines_of(Text())
    with bound(job="job_1", stage="sfm"):
        logger.warning("it is late")
    assert out.getvalue().endswith(" warning it is late [job=job_1 stage=sfm]\n")


def test_what_is_bound_is_forgotten_after_the_block_and_unknown_to_other_threads() -> None:
    seen: list[str | None] = []
    with bound(request_id="r"):
        bind(job="job_1")
        thread = threading.Thread(target=lambda: seen.append(request_id()))
        thread.start()
        thread.join()
        assert request_id() == "r"
        bind(request_id=None)
        assert request_id() is None
    assert (seen, request_id()) == ([None], None)


@pytest.mark.parametrize("form", ["json", "text"])
def test_the_form_is_as_asked_in_a_process_of_its_own(form: Format) -> None:
    program = f"import logging, warnings; from workers.logs import configure; configure('{form}'); warnings.warn('careful')"
    line = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stderr
    assert line.startswith('{"time"') == (form == "json")
    assert "careful" in line
