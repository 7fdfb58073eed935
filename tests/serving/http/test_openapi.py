"""Does the server do what its OpenAPI document says? Asked with made-up requests, good and bad."""

from __future__ import annotations

import json

import pytest

from zooassist_serving.http.app import create_app
from zooassist_serving.http.media import MediaFetcher
from zooassist_serving.http.openapi import OPERATIONS
from zooassist_serving.jobs.store import JobStore
from zooassist_serving.jobs.worker import Jobs

schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis ([dev])")

from hypothesis import HealthCheck, Phase, given, settings  # noqa: E402
from schemathesis import checks  # noqa: E402
from schemathesis.specs.openapi import checks as openapi_checks  # noqa: E402

TOKEN = "let-me-in"
RIGHT = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def app(plane, tmp_path_factory):
    place = tmp_path_factory.mktemp("ledger") / "ledger.sqlite"
    store = JobStore(f"sqlite:///{place}")
    jobs = Jobs(store, plane, MediaFetcher([], 1000).fetch_later)
    yield create_app(plane, token=TOKEN, jobs=jobs)
    store.close()


@pytest.fixture(scope="module")
def document(app):
    return app.test_client().get("/openapi.json", headers=RIGHT).get_json()


def test_every_route_is_described_and_the_other_way_round(app, document):
    described = {(path, method) for path, each in document["paths"].items() for method in each}
    served = {
        (rule.rule.replace("<", "{").replace(">", "}"), method.lower())
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert described == served


def test_every_reference_leads_somewhere(document):
    assert document["openapi"] == "3.1.0"
    text = json.dumps(document)
    names = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names <= set(document["components"]["schemas"])
    assert "examples" in document["components"]["schemas"]["SubjectsBody"]
    assert document["components"]["schemas"]["ProposalsRequest"]["examples"]
    ids = [each["operationId"] for path in document["paths"].values() for each in path.values()]
    assert len(ids) == len(set(ids)) == len(OPERATIONS)


CHECKS = (
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
    openapi_checks.negative_data_rejection,
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "operation", OPERATIONS, ids=[f"{each.method} {each.path}" for each in OPERATIONS]
)
def test_made_up_requests(app, document, operation):
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app, headers=RIGHT)
    described = schema[operation.path][operation.method]
    strategy = described.as_strategy(
        generation_mode=schemathesis.GenerationMode.POSITIVE
    ) | described.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)

    @settings(
        max_examples=40,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def ask(case):
        # A model that is there is found more often than by chance.
        if "name" in case.path_parameters and operation.method == "post":
            case.path_parameters["name"] = "tiny"
        # Its bearer tokens are made up; one that is none stays, to be refused.
        if str(case.headers.get("Authorization", "")).startswith("Bearer "):
            case.headers.update(RIGHT)
        case.call_and_validate(checks=CHECKS, headers={"Accept-Encoding": "identity"})

    ask()
