"""The service in processes that share no folder, as containers on several machines would run it: `python scaled.py FOLDER`.

Database, broker and bucket are those of the environment. What dies is started again, as a container engine does.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from workers.embedded import Child, api_command, listening

QUEUES = ("cpu", "gpu", "estimate")


def run(folder: Path) -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with listening("127.0.0.1", 0) as listener:
        commands = {"api": api_command(listener.fileno())} | {queue: ["-m", "workers", queue] for queue in QUEUES}
        children = [_child(name, command, folder, listener.fileno()) for name, command in commands.items()]
        for child in children:
            child.start()
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        while not stop.wait(0.2):
            for child in children:
                child.keep_alive(lambda text: print(text, file=sys.stderr))
        stopping = [threading.Thread(target=child.stop) for child in children]
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join()


def _child(name: str, command: list[str], folder: Path, listener: int) -> Child:
    (folder / name).mkdir(parents=True)
    environment = {"SNAP6D_DATA": str(folder / name)}
    return Child(name, [sys.executable, *command], folder / f"{name}.log", environment, (listener,) if name == "api" else ())


if __name__ == "__main__":
    os.chdir(sys.argv[1])  # a relative path that is meant for a shared folder finds nothing here
    run(Path(sys.argv[1]))
