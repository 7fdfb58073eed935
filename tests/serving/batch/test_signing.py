import pytest

from zooassist_plugin.errors import BadInput
from zooassist_serving.batch.next_steps.signing import sign, verify

BODY = b'{"event": "batch.done"}'


def test_a_signature_that_others_can_compute():
    # printf '1700000000.{"event": "batch.done"}' | openssl dgst -sha256 -hmac secret
    signature = sign(b"secret", 1_700_000_000, BODY)
    assert signature == ("sha256=9731010f0ca3626e5152ee2caa1924c8fbb305e11b4719dbd5b38f08293259d6")
    verify(b"secret", "1700000000", BODY, signature, now=1_700_000_299)


@pytest.mark.parametrize(
    ("secret", "timestamp", "body", "now"),
    [
        (b"other", "1700000000", BODY, 1_700_000_000),
        (b"secret", "1700000001", BODY, 1_700_000_000),
        (b"secret", "1700000000", BODY + b" ", 1_700_000_000),
        (b"secret", "1700000000", BODY, 1_700_000_301),
        (b"secret", "1700000000", BODY, 1_699_999_699),
        (b"secret", "soon", BODY, 1_700_000_000),
    ],
)
def test_anything_else_is_refused(secret, timestamp, body, now):
    with pytest.raises(BadInput, match="expected"):
        verify(secret, timestamp, body, sign(b"secret", 1_700_000_000, BODY), now)
