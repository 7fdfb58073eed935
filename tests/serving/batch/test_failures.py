import pytest

from zooassist_serving.batch.failures import cause_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "s3://b/a 1.png: expected at most 5 bytes, got 17; shrink it",
            "s3://b/x/c.png: expected at most 5 bytes, got 1,700; shrink it",
        ),
        (
            "expected a JPEG, got 4 bytes starting with b'nope'; convert it",
            "expected a JPEG, got 12 bytes starting with b'\\x00it; '; convert it",
        ),
        ("/data/a b.png: cannot be read", "/data/c.png: cannot be read"),
    ],
)
def test_what_differs_from_image_to_image_is_left_out(one, other):
    assert cause_of(one).startswith(cause_of(other)[:30])


def test_different_causes_stay_different():
    assert cause_of("s3://b/a: access denied; x") != cause_of("s3://b/a: was replaced; x")
