"""`snap6d`: onboard an object from photos, estimate its pose in images, serve both."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from workers.command import keys, making, serving, using
from workers.command.saying import taught_errors

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Photos of an object in, metric 6-D poses out."
)
for part in (making, using, serving):
    app.add_typer(part.app)
app.add_typer(keys.app, name="keys")


@app.command()
def demo(out: Annotated[Path, typer.Option(help="Folder for pictures and report.json.")] = Path("runs/demo")) -> None:
    """Renders a capture, onboards it through the service, estimates held-out images, shows the result."""
    with taught_errors():
        from workers.demo.run import run_demo

        run_demo(out=out)


if __name__ == "__main__":
    sys.exit(app())
