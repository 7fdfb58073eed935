import pytest

from zooassist_plugin.errors import BadInput
from zooassist_serving.batch.places import Place


@pytest.mark.parametrize(
    ("text", "bucket", "key"),
    [
        ("s3://survey/in/a b+%20é#?.png", "survey", "in/a b+%20é#?.png"),
        ("s3://survey/", "survey", ""),
        ("s3://survey", "survey", ""),
        ("images/a.png", "", "images/a.png"),
    ],
)
def test_what_follows_the_bucket_is_the_key(text, bucket, key):
    place = Place.parse(text)
    assert place == Place(bucket, key)
    assert Place.parse(place.uri) == place


@pytest.mark.parametrize("text", ["", "ftp://a/b", "s3://", "s3://ab/c", "a\0b"])
def test_other_places_are_refused(text):
    with pytest.raises(BadInput, match="expected"):
        Place.parse(text)


def test_relative_paths_are_relative_to_the_folder():
    manifest = Place("survey", "lists/may/a.csv")
    assert manifest.beside("x.png").key == "lists/may/x.png"
    assert manifest.beside("../../images/x.png").key == "images/x.png"
    assert Place("survey", "a.csv").beside("x.png").key == "x.png"


@pytest.mark.parametrize("relative", ["../../../x.png", "/etc/passwd", "../..", "../../.."])
def test_a_path_does_not_climb_out_of_its_bucket(relative):
    with pytest.raises(BadInput, match="inside the bucket"):
        Place("survey", "lists/may/a.csv").beside(relative)


def test_children():
    assert Place("survey", "out/").child("a").key == "out/a"
    assert Place("survey", "out").child("a").key == "out/a"
    assert Place("survey", "").child("a").key == "a"
