"""From a running Panoptes to a training set, with the command line alone."""

from click.testing import CliRunner
from prefill_project import galaxy_png, prefill_project

from zooassist_exporters.command import export
from zooassist_exporters.training_set import read_training_set


def _classify(panoptes, project, subject, annotations):
    metadata = {
        "classifier_version": "2.0",
        "started_at": "2026-06-01T10:00:00.000Z",
        "finished_at": "2026-06-01T10:01:00.000Z",
        "user_agent": "test",
        "user_language": "en",
        "utc_offset": "0",
        "workflow_version": panoptes.workflow(project.workflow_id).version,
        "viewport": {"width": 800, "height": 600},
        "subject_dimensions": [
            {"clientWidth": 48, "clientHeight": 48, "naturalWidth": 48, "naturalHeight": 48}
        ],
    }
    links = {
        "project": str(project.project_id),
        "workflow": str(project.workflow_id),
        "subjects": [str(subject)],
    }
    content = {
        "annotations": annotations,
        "metadata": metadata,
        "completed": True,
        "links": links,
    }
    panoptes.call("POST", "/classifications", json={"classifications": content})


def test_from_panoptes_to_a_training_set(tmp_path, monkeypatch):
    ellipse = {
        "frame": 0,
        "toolIndex": 0,
        "toolType": "ellipse",
        "x_center": 24,
        "y_center": 24,
        "rx": 9,
        "ry": 6,
        "angle": 10,
        "details": [{"task": "T0.0.0"}],
    }
    with prefill_project(tmp_path / "state", [galaxy_png(1), galaxy_png(2)]) as project:
        first, second = project.subject_ids
        for subject, smooth, missing in [(first, 1, 0), (second, 0, None)]:
            annotations = [
                {"task": "T0", "taskType": "drawing", "value": [ellipse]},
                {"task": "T0.0.0", "taskType": "single", "value": smooth, "markIndex": 0},
                {"task": "T1", "taskType": "single", "value": missing},
            ]
            _classify(project.panoptes, project, subject, annotations)
        for name, value in {
            "PANOPTES_ENDPOINT": project.server.url,
            "PANOPTES_USERNAME": "builder",
            "PANOPTES_PASSWORD": "sandbox",
        }.items():
            monkeypatch.setenv(name, value)
        for kind in ("classifications", "subjects", "workflows"):
            arguments = ["classifications", str(project.workflow_id), "--kind", kind]
            arguments += ["--out", str(tmp_path / f"{kind}.csv"), "--wait", "60"]
            result = CliRunner().invoke(export, arguments, catch_exceptions=False)
            assert result.exit_code == 0
            assert f"the {kind} export of" in result.stderr
        result = CliRunner().invoke(export, arguments, catch_exceptions=False)
        assert "using the workflows export" in result.stderr
        assert "the next from" in result.stderr
        result = CliRunner().invoke(
            export,
            [
                *("votes", str(tmp_path / "classifications.csv")),
                *("--workflows", str(tmp_path / "workflows.csv")),
                *("--subjects", str(tmp_path / "subjects.csv")),
                *("--map", "T0.0.0=smooth-or-featured", "--map", "T1=missing"),
                *("--out", str(tmp_path / "set")),
            ],
            catch_exceptions=False,
        )
    assert (result.exit_code, result.stderr) == (0, "")
    found = read_training_set(tmp_path / "set")
    assert found.subject_ids.tolist() == [first, second]
    assert found.schema.columns == (
        "smooth-or-featured_smooth",
        "smooth-or-featured_featured-or-disk",
        "smooth-or-featured_star-or-artifact",
        "missing_yes",
        "missing_no",
    )
    assert found.counts.tolist() == [[0, 1, 0, 1, 0], [1, 0, 0, 0, 0]]
    assert found.totals.tolist() == [[1, 1], [1, 0]]
    assert found.image_path(0).read_bytes() == galaxy_png(1)
    assert [source["name"] for source in found.manifest["sources"]] == [
        "classifications.csv",
        "workflows.csv",
        "subjects.csv",
    ]
