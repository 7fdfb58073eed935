from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from zooassist_plugin.errors import BadInput
from zooassist_serving.model_command import model


@pytest.fixture
def run(tmp_path):
    """Run `zooassist model …` on a repository; returns what it says, raises what it raises."""

    def _run(*arguments, code=0):
        environment = {"ZOOASSIST_MODELS": str(tmp_path / "models")}
        result = CliRunner(env=environment).invoke(model, list(arguments))
        if isinstance(result.exception, BadInput):
            raise result.exception
        assert result.exit_code == code, result.output
        return result.output

    return _run


def test_from_a_folder_to_a_roll_back(run, versions):
    first, second, _ = (folder.card.version for folder in versions)
    assert f"tiny@{first}  answers" in run("activate", str(versions[0].path))
    said = run("activate", str(versions[1].path))
    assert said == f"tiny@{second}  answers; before: {first}\n"
    assert run("rollback", "tiny") == f"tiny@{first}  answers\n"
    with pytest.raises(BadInput, match="expected an earlier version"):
        run("rollback", "tiny")
    assert run("activate", f"tiny@{second[:5]}").startswith(f"tiny@{second}  answers")


def test_list_shadow_and_share(run, versions):
    names = [folder.card.version for folder in versions]
    assert "no models" in run("list")
    for folder in versions:
        assert "kept" in run("add", str(folder.path))
    assert "answers" not in run("list")
    run("activate", f"tiny@{names[0]}")
    run("shadow", f"tiny@{names[1]}")
    said = run("share", f"tiny@{names[2]}=0.25")
    assert f"tiny@{names[0]}  answers 75% of the subjects" in said
    assert f"tiny@{names[2]}  answers 25% of the subjects" in said
    assert f"tiny@{names[1]}  shadow" in said
    listed = json.loads(run("list", "--json"))
    assert listed["tiny"]["release"]["shares"] == {names[2]: 0.25}
    assert sorted(listed["tiny"]["versions"]) == sorted(names)
    run("share", "tiny", "--off")
    run("shadow", "tiny", "--off")
    assert "shadow" not in run("list")


@pytest.mark.parametrize(
    "arguments",
    [
        ("shadow", "tiny"),
        ("shadow", "tiny@aaaa", "--off"),
        ("share", "tiny@aaaa"),
        ("share", "tiny=0.5"),
        ("share", "tiny@aaaa=0.5", "--off"),
        ("share", "tiny", "other", "--off"),
        ("rollback", "../tiny"),
        ("rollback", "tiny"),
        ("activate", "../tiny@aaaa"),
        ("activate", "tiny@zzzz"),
        ("activate", "nowhere/at/all"),
        ("verify", "other"),
    ],
)
def test_what_is_asked_for_wrongly(run, arguments):
    with pytest.raises(BadInput):
        run(*arguments)


@pytest.mark.parametrize("share", ["x", "nan", "0", "1", "-0.5", "inf"])
def test_shares_that_are_none(run, versions, share):
    run("activate", str(versions[0].path))
    run("add", str(versions[1].path))
    with pytest.raises(BadInput):
        run("share", f"tiny@{versions[1].card.version}={share}")


def test_verify_names_what_is_not_sound_and_goes_on(run, versions, tmp_path):
    for folder in versions[:2]:
        run("activate", str(folder.path))
    assert run("verify").count("sound") == 2
    assert "sound" in run("verify", "tiny")
    damaged = tmp_path / "models" / "tiny" / versions[0].card.version / "model.onnx"
    damaged.write_bytes(b"x")
    said = run("verify", code=1)
    assert f"error: tiny {versions[0].card.version}" in said
    assert f"tiny {versions[1].card.version}: sound" in said
    with pytest.raises(BadInput, match="expected sha256"):
        run("rollback", "tiny")


def test_without_a_repository(versions):
    result = CliRunner().invoke(model, ["activate", str(versions[0].path)])
    assert result.exit_code == 2
    assert "--repository" in result.output
    result = CliRunner().invoke(model, ["verify"])
    assert "expected a model folder" in str(result.exception)
