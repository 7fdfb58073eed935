import pytest

from zooassist_plugin.errors import BadInput
from zooassist_plugin.settings import load_settings
from zooassist_serving.batch.config import TEXT_VARIABLE, load_config
from zooassist_serving.batch.places import Place

TEXT = """
panoptes_endpoint = "http://127.0.0.1:1"

[batch]
queue = "https://sqs/q"
read_buckets = ["shared"]

[[batch.route]]
from = "s3://survey/"
model = "galaxy-zoo"
to = "s3://out/all/"

[[batch.route]]
from = "s3://survey/nuclei/"
suffixes = [".tif"]
model = "nuclei"
to = "s3://out/nuclei/"
failure_budget = 0.1
next.webhook.url = "https://example.org/done"
next.catalogue = "s3://out/{name}.parquet"
"""


def config(text=TEXT):
    return load_config(environ={TEXT_VARIABLE: text})


def test_the_longest_prefix_that_takes_the_key_wins():
    routes = config()
    assert routes.route_for(Place("survey", "nuclei/a.TIF")).model == "nuclei"
    assert routes.route_for(Place("survey", "nuclei/a.png")).model == "galaxy-zoo"
    assert routes.route_for(Place("other", "a.png")) is None


def test_results_are_never_inputs():
    text = TEXT.replace('from = "s3://survey/"', 'from = "s3://out/"')
    assert config(text).route_for(Place("out", "all/x.parquet")) is None
    assert config(text).route_for(Place("out", "incoming/x.png")).model == "galaxy-zoo"


def test_manifests_may_point_at_the_routes_own_buckets():
    rules = config().rules
    assert rules.buckets == {"survey", "shared"}
    assert "panoptes-uploads.zooniverse.org" in rules.hosts


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('to = "s3://out/nuclei/"', 'to = "s3://survey/nuclei/out/"', "outside of `from`"),
        ("failure_budget = 0.1", "failure_budget = 2", "failure_budget"),
        ("failure_budget = 0.1", "failure_bugdet = 0.2", "failure_bugdet"),
        ('from = "s3://survey/"', 'from = "ftp://survey/"', "expected s3://"),
        ("https://example.org/done", "http://example.org/done", "https URL"),
        ("{name}.parquet", "{name}.xlsx", ".parquet"),
        ("[[batch.route]]", "[[batch.route", "TOML"),
        (
            'from = "s3://survey/nuclei/"\nsuffixes = [".tif"]',
            'from = "s3://survey/"',
            "two routes",
        ),
    ],
)
def test_bad_settings_are_said(old, new, says):
    assert old in TEXT
    with pytest.raises(BadInput, match=says.replace("[", r"\[")) as caught:
        config(TEXT.replace(old, new))
    assert TEXT_VARIABLE in str(caught.value)


def test_one_file_serves_both_readers(tmp_path):
    file = tmp_path / "assist.toml"
    file.write_text(TEXT)
    assert load_settings({}, file).panoptes_endpoint == "http://127.0.0.1:1"
    assert len(load_config(file).routes) == 2
    with pytest.raises(BadInput, match="expected a settings file"):
        load_config(tmp_path / "none.toml")
