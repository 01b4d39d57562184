"""The OpenAPI document, made from the operations and their models."""

import json
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, JsonSchemaValue, models_json_schema

from extraction_agent.interfaces.api.operations import JSON, Answer, Call, Operation, Operations
from extraction_agent.interfaces.api.problems import MEDIA_TYPE, Problem

operations = Operations()
_RETRY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
References = Mapping[Any, JsonSchemaValue]  # by model and mode
_REFERENCE = "#/components/schemas/{model}"


@operations.add("GET", "/openapi.json", None, None)
async def openapi(_: Call) -> Answer:
    """This document."""
    return Answer(_text())


@cache
def _text() -> str:
    return json.dumps(make(), ensure_ascii=False)


@cache
def make() -> dict[str, Any]:
    """The document, OpenAPI 3.1."""
    from extraction_agent.interfaces.api.application import OPERATIONS  # noqa: PLC0415 - which lists this file's, too

    listed = OPERATIONS.listed
    models: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {
        (Problem, "serialization"): None
    }  # each once, in order
    for one in listed:
        models |= {(one.body_model, "validation"): None} if one.body_model else {}
        models |= {(one.answer, "serialization"): None} if one.answer else {}
    references, schemas = models_json_schema(list(models), ref_template=_REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for one in listed:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, references)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "extraction-agent",
            "version": version("extraction-agent"),
            "description": "Extraction configs, extractions and their records. Errors are RFC 9457 problem details.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "responses": {
                status.name: _bad(status, references[Problem, "serialization"])
                for status in sorted({status for one in listed for status in one.problems})
            },
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Made by `extractctl token create`. Scopes are read, operate and tune; none "
                    "includes another.",
                }
            },
        },
    }


def _operation(one: Operation, schemas: References) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.summary,
        "parameters": [
            *_parameters(one.path_model, "path"),
            *_parameters(one.query_model, "query"),
            *_parameters(one.headers_model, "header"),
        ],
        "responses": {
            str(int(one.status)): _good(one, schemas),
            **{str(int(status)): {"$ref": f"#/components/responses/{status.name}"} for status in one.problems},
        },
    }
    if one.scope is not None:
        made["security"] = [{"token": [str(one.scope)]}]
        made["description"] = f"Needs the scope `{one.scope}`."
    if one.body_model is not None:
        made["requestBody"] = {"required": True, "content": {JSON: {"schema": schemas[one.body_model, "validation"]}}}
    return made


def _parameters(model: type[BaseModel] | None, place: str) -> list[dict[str, Any]]:
    if model is None:
        return []
    schema = model.model_json_schema(by_alias=True)
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "in": place,
            "required": name in required,
            **({"description": told} if (told := declared.get("description")) else {}),
            "schema": _declared(declared),
        }
        for name, declared in schema["properties"].items()
        if name != "Accept"  # which OpenAPI says by the answer's content
    ]


def _declared(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter's schema. One that may be left out is never sent as null."""
    choices = [one for one in schema.get("anyOf", []) if one != {"type": "null"}]
    kept = {name: value for name, value in schema.items() if name not in {"anyOf", "title", "default", "description"}}
    if schema.get("default") is not None:
        kept["default"] = schema["default"]
    return {**(choices[0] if choices else {}), **kept}


def _good(one: Operation, schemas: References) -> dict[str, Any]:
    made: dict[str, Any] = {"description": one.status.phrase, "headers": {"X-Request-ID": _header("the request's id")}}
    if one.status is HTTPStatus.CREATED:
        made["headers"]["Location"] = _header("the path of what was made")
    if one.status is not HTTPStatus.NO_CONTENT:
        schema: JsonSchemaValue = {"type": "object"} if JSON in one.media_types else {}
        if one.answer is not None:
            schema = schemas[one.answer, "serialization"]
        made["content"] = {media_type: {"schema": schema} for media_type in one.media_types}
    return made


def _bad(status: HTTPStatus, problem: JsonSchemaValue) -> dict[str, Any]:
    headers = {"X-Request-ID": _header("the request's id")}
    if status in _RETRY:
        headers["Retry-After"] = _header("seconds after which another try makes sense")
    return {
        "description": status.phrase,
        "headers": headers,
        "content": {MEDIA_TYPE: {"schema": problem}},
    }


def _header(told: str) -> dict[str, Any]:
    return {"description": told, "schema": {"type": "string"}}
