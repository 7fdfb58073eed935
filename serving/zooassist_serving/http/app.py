"""The Flask application around a data plane."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flask import Blueprint, Flask, Response, request

from zooassist_serving.dataplane import DataPlane
from zooassist_serving.http.auth import require_token
from zooassist_serving.http.context import Context
from zooassist_serving.http.express import Express
from zooassist_serving.http.gate import ROUTE, Drain, Gate
from zooassist_serving.http.job_routes import job_routes
from zooassist_serving.http.media import MediaFetcher
from zooassist_serving.http.metrics import Metrics
from zooassist_serving.http.models_to_serve import SkippedModel
from zooassist_serving.http.operating import operating_routes
from zooassist_serving.http.predicting import prediction_routes
from zooassist_serving.http.problems import register_problems
from zooassist_serving.http.proposing import proposal_routes
from zooassist_serving.http.request_log import RequestLog
from zooassist_serving.http.writing import compress
from zooassist_serving.jobs.worker import Jobs

MAX_BODY_BYTES = 64 * 2**20

Door = Callable[[Context], Blueprint]
# Groups of routes; each is a function of what they share.
DOORS: tuple[Door, ...] = (operating_routes, prediction_routes, proposal_routes, job_routes)


def create_app(
    plane: DataPlane,
    *,
    token: str | None,
    media_origins: Sequence[str] = (),
    max_body: int = MAX_BODY_BYTES,
    skipped: Sequence[SkippedModel] = (),
    metrics: Metrics | None = None,
    drain: Drain | None = None,
    jobs: Jobs | None = None,
    log: RequestLog | None = None,
    doors: Sequence[Door] = (),
) -> Flask:
    """Make the application.

    Parameters
    ----------
    token : str or None
        None lets everybody in who can reach the port: for loopback only.
    media_origins : sequence of str
        Where subject media may be fetched from; none by default.
    max_body : int
        Largest request body, and largest fetched file, in bytes.
    skipped : sequence of SkippedModel
        Models that were asked for and are not sound. ``/ready``, which needs no token, says how
        many; ``/v1/models`` says which, and why.
    metrics : Metrics, optional
        Those that observe the plane.
    drain : Drain, optional
        Says when the server is on its way out.
    jobs : Jobs, optional
        Without them ``/v1/jobs`` says how to get some.
    log : RequestLog, optional
        Where requests are written down; `logging` by default.
    doors : sequence of callable
        Further groups of routes.
    """
    app = Flask("zooassist_serving", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = max_body
    context = Context(
        plane=plane,
        fetcher=MediaFetcher(media_origins, max_body),
        metrics=metrics or Metrics(),
        drain=drain or Drain(),
        skipped=skipped,
        jobs=jobs,
    )
    register_problems(app)
    if token is not None:
        require_token(app, token)

    @app.after_request
    def _finish(response: Response) -> Response:
        if request.url_rule is not None:
            request.environ[ROUTE] = request.url_rule.rule
        return compress(request, response)

    for door in (*DOORS, *doors):
        app.register_blueprint(door(context))
    app.wsgi_app = Gate(  # type: ignore[method-assign]
        app.wsgi_app,
        Express(plane, context.metrics, token, max_body),
        context.metrics,
        context.drain,
        log or RequestLog(),
    )
    return app
