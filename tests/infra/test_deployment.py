"""Deployment files name what exists: options of `serve`, metrics, paths."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")

from zooassist_serving.http.command import serve  # noqa: E402
from zooassist_serving.http.metrics import Metrics  # noqa: E402

INFRA = Path(__file__).parents[2] / "infra"
FILES = ("Dockerfile", "Dockerfile.gpu", "compose.yaml", "kubernetes/serve.yaml")


@pytest.mark.parametrize("name", FILES)
def test_every_option_is_one_of_serve(name):
    known = {option for each in serve.params for option in each.opts}
    text = (INFRA / name).read_text()
    entry = text.partition("ENTRYPOINT")[2] if name.startswith("Docker") else text
    named = set(re.findall(r'"?(--[a-z][a-z-]+)(?=[=", ])', entry))
    if name.startswith("Docker"):
        named |= set(re.findall(r"zooassist(?:-gpu)? (--[a-z-]+)", text))
    others = {"--config.file"}  # Prometheus' own
    assert named, "no option found: the pattern does not fit the file any more"
    assert named - others <= known


def test_every_metric_of_the_board_exists():
    board = json.loads((INFRA / "grafana/serving.json").read_text())
    metrics = Metrics()
    made = {family.name for family in metrics._registry.collect()}
    asked = {
        name
        for panel in board["panels"]
        for target in panel["targets"]
        for name in re.findall(r"zooassist_[a-z_]+", target["expr"])
    }
    assert len(asked) >= 10
    for name in asked:
        assert re.sub(r"_(total|bucket|sum|count)$", "", name) in made, name
    places = [tuple(panel["gridPos"].values()) for panel in board["panels"]]
    assert len(set(places)) == len(places)


def test_probes_ask_paths_that_need_no_token():
    from zooassist_serving.http.auth import OPEN_PATHS

    documents = list(yaml.safe_load_all((INFRA / "kubernetes/serve.yaml").read_text()))
    kinds = [document["kind"] for document in documents]
    assert kinds == ["Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler"]
    pod = documents[0]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["path"] in OPEN_PATHS
    # A pod must not be killed while it still drains and answers.
    drain = next(int(a.partition("=")[2]) for a in container["args"] if a.startswith("--drain="))
    assert pod["terminationGracePeriodSeconds"] > drain + 30


def test_compose_gives_the_server_time_to_end():
    content = yaml.safe_load((INFRA / "compose.yaml").read_text())
    assert set(content["services"]) == {"serve", "database", "prometheus", "grafana"}
    assert int(content["services"]["serve"]["stop_grace_period"].rstrip("s")) > 31


def test_the_serving_install_asks_for_no_torch():
    import tomllib

    project = tomllib.loads((INFRA.parent / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["serve"]]
    names = {re.split(r"[<>=\[;~! ]", each)[0] for each in wanted}
    assert not names & {"torch", "lightning", "timm", "torchvision", "monai", "onnx"}
    assert {"onnxruntime", "granian", "flask", "prometheus-client"} <= names
