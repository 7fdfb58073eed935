"""What may be asked by GraphQL? ``POST /graphql``; above all the classifier's one query.

The classifier sends no credentials, and ids without quotes:
``{ workflow(id: 1) { subject_reductions(subjectId: 2, reducerKey:"machineLearnt") { data } } }``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, jsonify, request
from graphql import GraphQLError, build_schema, graphql_sync
from sqlalchemy import Select, inspect, select

from zooassist_plugin.sandbox.caesar.access import Call, open_call, unknown_workflow
from zooassist_plugin.sandbox.caesar.answers import as_id, body_object, new_blueprint
from zooassist_plugin.sandbox.caesar.data_requests import file_url
from zooassist_plugin.sandbox.caesar.tables import (
    CaesarWorkflow,
    DataRequest,
    Extract,
    RuleAction,
    Stamped,
    SubjectReduction,
    UserReduction,
)
from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.problems import ApiError
from zooassist_plugin.sandbox.strict_json import parse_json

# Scalars pass through as they are. Times are seconds since 1970.
_SCHEMA = build_schema(
    """
    scalar Json
    scalar Time
    type Query { me: Credential  workflow(id: ID!): Workflow }
    type Credential { id: ID  login: String  projectIds: [ID!] }
    type Workflow {
      id: ID!  createdAt: Time!  updatedAt: Time!
      extracts(subjectId: ID!, extractorKey: String): [Extract!]
      reductions(subjectId: ID!, reducerKey: String): [SubjectReduction!]
      subject_reductions(subjectId: ID!, reducerKey: String): [SubjectReduction!]
      user_reductions(userId: ID!, reducerKey: String): [UserReduction!]
      subject_actions(subjectId: ID!): [SubjectAction!]
      user_actions(userId: ID!): [UserAction!]
      data_requests: [DataRequest!]
      dataRequests: [DataRequest!]
    }
    type Extract {
      classificationId: String  classificationAt: Time  workflowId: ID!  subjectId: ID!
      extractorKey: String!  userId: ID  data: Json  createdAt: Time!  updatedAt: Time!
    }
    type SubjectReduction {
      projectId: ID  workflowId: ID!  subjectId: ID!  reducerKey: String  subgroup: String
      data: Json  createdAt: Time!  updatedAt: Time!
    }
    type UserReduction {
      projectId: ID  workflowId: ID!  userId: ID!  reducerKey: String  subgroup: String
      data: Json  createdAt: Time!  updatedAt: Time!
    }
    type SubjectAction {
      id: ID!  workflowId: ID!  subjectId: ID!  effectType: String!  config: Json
      status: String!  attemptedAt: Time  completedAt: Time  createdAt: Time!  updatedAt: Time!
    }
    type UserAction {
      id: ID!  workflowId: ID!  userId: ID!  effectType: String!  config: Json
      status: String!  attemptedAt: Time  completedAt: Time  createdAt: Time!  updatedAt: Time!
    }
    type DataRequest {
      id: ID!  userId: ID  workflowId: ID!  subgroup: String  requestedData: String!
      status: String!  url: String  createdAt: Time!  updatedAt: Time!
    }
    """
)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _fields(row: Stamped) -> dict[str, Any]:
    """Name the columns of one row as GraphQL does."""
    values = {
        str(attribute.columns[0].name): getattr(row, attribute.key)
        for attribute in inspect(type(row)).column_attrs
    }
    return {
        _camel(name): value.timestamp() if isinstance(value, datetime) else value
        for name, value in values.items()
    }


def _number(identifier: str) -> int:
    number = as_id(identifier)
    if number is None:
        raise GraphQLError(f"expected a numeric id, got {identifier!r}")
    return number


class _WorkflowFields:
    """The fields of one workflow for one sender; the library calls them by name.

    What the sender may not see is an empty list, as in Caesar: only an invisible workflow is an
    error.
    """

    def __init__(self, call: Call, workflow: CaesarWorkflow) -> None:
        self._call, self._workflow = call, workflow
        self._own = call.may_edit(workflow.project_id)

    def _rows(self, query: Select[Any], visible: bool) -> list[dict[str, Any]]:
        if not (self._own or visible):
            return []
        return [_fields(row) for row in self._call.session.scalars(query)]

    def extracts(
        self, _info: object, subjectId: str, extractorKey: str | None = None
    ) -> list[dict[str, Any]]:
        query = select(Extract).where(
            Extract.workflow_id == self._workflow.id, Extract.subject_id == _number(subjectId)
        )
        if extractorKey is not None:
            query = query.where(Extract.extractor_key == extractorKey)
        return self._rows(query.order_by(Extract.id), self._workflow.public_extracts)

    def subject_reductions(
        self, _info: object, subjectId: str, reducerKey: str | None = None
    ) -> list[dict[str, Any]]:
        table = SubjectReduction
        query = select(table).where(
            table.workflow_id == self._workflow.id, table.subject_id == _number(subjectId)
        )
        if reducerKey is not None:
            query = query.where(table.reducer_key == reducerKey)
        return self._rows(query.order_by(table.id), self._workflow.public_reductions)

    def user_reductions(
        self, _info: object, userId: str, reducerKey: str | None = None
    ) -> list[dict[str, Any]]:
        table = UserReduction
        query = select(table).where(
            table.workflow_id == self._workflow.id, table.user_id == _number(userId)
        )
        if reducerKey is not None:
            query = query.where(table.reducer_key == reducerKey)
        return self._rows(query.order_by(table.id), visible=False)

    def _actions(self, kind: str, target_id: str) -> list[dict[str, Any]]:
        query = select(RuleAction).where(
            RuleAction.workflow_id == self._workflow.id,
            RuleAction.kind == kind,
            RuleAction.target_id == _number(target_id),
        )
        rows = self._rows(query.order_by(RuleAction.id), visible=False)
        return [{**row, f"{kind}Id": row["targetId"]} for row in rows]

    def subject_actions(self, _info: object, subjectId: str) -> list[dict[str, Any]]:
        return self._actions("subject", subjectId)

    def user_actions(self, _info: object, userId: str) -> list[dict[str, Any]]:
        return self._actions("user", userId)

    def data_requests(self, _info: object) -> list[dict[str, Any]]:
        query = select(DataRequest).where(DataRequest.workflow_id == self._workflow.id)
        if not self._own:
            return []
        found: Iterable[DataRequest] = self._call.session.scalars(query.order_by(DataRequest.id))
        return [{**_fields(row), "url": file_url(self._call.sandbox, row)} for row in found]

    def table(self) -> dict[str, Any]:
        """Return the fields by name: plain values, and methods for those with arguments."""
        named: dict[str, Callable[..., list[dict[str, Any]]]] = {
            "extracts": self.extracts,
            "reductions": self.subject_reductions,
            "subject_reductions": self.subject_reductions,
            "user_reductions": self.user_reductions,
            "subject_actions": self.subject_actions,
            "user_actions": self.user_actions,
            "data_requests": self.data_requests,
            "dataRequests": self.data_requests,
        }
        return {**_fields(self._workflow), **named}


def _root(call: Call) -> dict[str, Any]:
    def workflow(_info: object, id: str) -> dict[str, Any]:
        found = call.session.get(CaesarWorkflow, _number(id))
        if found is None or not (
            found.public_extracts or found.public_reductions or call.may_edit(found.project_id)
        ):
            raise unknown_workflow(_number(id))
        return _WorkflowFields(call, found).table()

    def me(_info: object) -> dict[str, Any] | None:
        user = call.credential
        if user is None:
            return None
        return {"id": user.user_id, "login": user.login, "projectIds": user.project_ids}

    return {"workflow": workflow, "me": me}


def _question() -> tuple[str, dict[str, Any], str | None]:
    """Return query, variables and operation name from a JSON body or a form."""
    asked = dict(request.form) if request.form else body_object()
    query, variables = asked.get("query"), asked.get("variables") or {}
    if not isinstance(query, str) or not query:
        raise ApiError(400, 'Expected {"query": "..."}: no query given')
    if isinstance(variables, str):
        try:
            variables = parse_json(variables)
        except ValueError as error:
            raise ApiError(400, f"variables is not JSON: {error}") from None
    if not isinstance(variables, dict):
        raise ApiError(400, f"variables must be an object; got {variables!r}")
    return query, variables, asked.get("operationName")


def blueprint(sandbox: Sandbox) -> Blueprint:
    """Build the route."""
    routes = new_blueprint("graphql")

    @routes.post("/graphql")
    def execute() -> Response:
        query, variables, operation = _question()
        with open_call(sandbox) as call:
            result = graphql_sync(
                _SCHEMA,
                query,
                root_value=_root(call),
                variable_values=variables,
                operation_name=operation,
            )
        answer = jsonify(result.formatted)
        # A workflow that the sender may not see is 404 with the error in the body; every other
        # GraphQL error travels with 200.
        for error in result.errors or ():
            if isinstance(error.original_error, ApiError):
                answer = jsonify({"errors": [{"message": error.original_error.message}]})
                answer.status_code = error.original_error.status
        return answer

    return routes
