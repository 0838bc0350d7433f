"""The examples of the API's document are bodies that it takes."""

from collections.abc import Iterator
from typing import Any

import pytest

from facilitair_gateway.routes.bodies import checked
from facilitair_gateway.routes.budget_bodies import NewBudget, Reconciliation
from facilitair_gateway.routes.checks import Control, NewEstimate

MODELS = (NewBudget, Reconciliation, Control, NewEstimate)


def examples() -> Iterator[tuple[Any, Any]]:
    for model in MODELS:
        for example in model.model_json_schema()["examples"]:
            yield model, example


@pytest.mark.parametrize(("model", "example"), list(examples()), ids=str)
def test_an_example_is_taken(model, example) -> None:
    body, faults = checked(model, example)
    assert faults == []
    assert body is not None


async def test_the_document_shows_them(http) -> None:
    paths = (await http.get("/openapi.json")).json()["paths"]
    for path, method in (
        ("/v1/budget", "put"),
        ("/v1/budget/reconciliations", "post"),
        ("/v1/estimates", "post"),
        ("/v1/collaborations/{collaboration}/control", "post"),
    ):
        body = paths[path][method]["requestBody"]["content"]["application/json"]
        assert body["schema"]["examples"], path
    for path in ("/v1/usage", "/v1/usage/entries"):
        assert {parameter["name"] for parameter in paths[path]["get"]["parameters"]} >= {"since"}
