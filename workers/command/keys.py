"""Commands about the keys of a service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from workers.command.flags import JsonFlag
from workers.command.saying import err, taught_errors

app = typer.Typer(no_args_is_help=True, help="API keys of the service: made, listed, revoked where its data are.")
DataOption = Annotated[Path | None, typer.Option(help="The service's data folder.")]


@app.command("make")
def make_key(
    tenant: Annotated[str, typer.Option(help="Whoever has a key of this tenant sees its objects, and no others.")],
    name: Annotated[str, typer.Option(help="To tell keys apart, such as robot-1.")] = "",
    data: DataOption = None,
) -> None:
    """Prints a new key, once. From the first key on, nobody is answered without one."""
    with taught_errors():
        row, secret = _key_store(data).make(tenant, name)
        err.print(f"key {row.id} of tenant {escape(row.tenant)}; it is not shown again", highlight=False)
        print(secret)


@app.command("list")
def list_keys(data: DataOption = None, as_json: JsonFlag = False) -> None:
    """Keys without their secrets."""
    with taught_errors(as_json):
        for row in _key_store(data).all():
            state = "revoked" if row.revoked_at else "valid"
            print(json.dumps(row.__dict__) if as_json else f"{row.id}  {state:<7}  {row.tenant}  {row.name}")


@app.command("revoke")
def revoke_key(key_id: str, data: DataOption = None) -> None:
    """From now on the key opens nothing."""
    with taught_errors():
        _key_store(data).revoke(key_id)


def _key_store(data: Path | None) -> Any:
    from workers.rows.database import Database
    from workers.rows.keys import KeyStore
    from workers.settings import Settings

    return KeyStore(Database(Settings.of(data).database))
