"""How a command says what went wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.markup import escape

from reconstruction.errors import PipelineError

err = Console(stderr=True, soft_wrap=True)


@contextmanager
def taught_errors(as_json: bool = False) -> Iterator[None]:
    """A PipelineError is said in one line, exit status 2; Ctrl-C says how to go on, 130. Only defects show a traceback."""
    try:
        yield
    except PipelineError as error:
        if as_json:
            from workers.failures import error_to_json

            print(json.dumps({"error": error_to_json(error)}), flush=True)
        advice = f" → {escape(error.try_next)}" if error.try_next else ""
        err.print(f"[bold red]error[/] \\[{error.code}]: {escape(error.what)}{advice}", highlight=False)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        err.print("stopped; finished stages are kept (--resume goes on)")
        raise typer.Exit(130) from None
