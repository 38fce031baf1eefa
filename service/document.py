"""The OpenAPI document, where the framework can't write it by itself: problems, and the options inside of forms."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from service.options import EstimateOptions, OnboardOptions

REFERENCE = "#/components/schemas/{model}"


def options_field(model: type[OnboardOptions | EstimateOptions]) -> dict[str, Any]:
    """The form field `options`: a text that holds JSON."""
    return {"type": "string", "contentMediaType": "application/json", "contentSchema": options_schema(model)}


def options_schema(model: type[OnboardOptions | EstimateOptions]) -> dict[str, Any]:
    return {"$ref": REFERENCE.format(model=model.__name__)}


def install(app: FastAPI) -> None:
    """Lets the application serve the completed document."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        document = plain()
        _, options = models_json_schema([(OnboardOptions, "validation"), (EstimateOptions, "validation")], ref_template=REFERENCE)
        document["components"]["schemas"] |= options["$defs"]
        for path in document["paths"].values():
            for operation in path.values():
                if "security" in operation:  # no key is needed until one was made
                    operation["security"].append({})
                for answer in operation["responses"].values():
                    _as_problem(answer.get("content", {}))
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _as_problem(content: dict[str, Any]) -> None:
    for kind in list(content):  # whatever else the route answers with
        if content[kind].get("schema", {}).get("$ref", "").endswith("/Problem"):
            content["application/problem+json"] = content.pop(kind)
