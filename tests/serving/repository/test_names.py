from __future__ import annotations

import pytest

from zooassist_plugin.errors import BadInput
from zooassist_serving.repository.names import (
    check_name,
    check_version,
    choose_version,
    split_argument,
)

BAD_NAMES = ("..", "a/b", "/etc", "", "A", "a b", ".hidden", "a\n", "a\0", "a" * 65, "%2e%2e", "é")


@pytest.mark.parametrize("name", BAD_NAMES)
def test_what_is_no_name(name):
    with pytest.raises(BadInput, match="expected a name of small letters"):
        check_name(name)


@pytest.mark.parametrize("version", ["..", "4f1c", "4F1C" * 4, "4f1c" * 4 + "\n", "", "g" * 16])
def test_what_is_no_version(version):
    with pytest.raises(BadInput, match="expected 16 hexadecimal digits"):
        check_version(version)


def test_arguments():
    assert split_argument("galaxy-zoo") == ("galaxy-zoo", "")
    assert split_argument("galaxy-zoo@4f1c") == ("galaxy-zoo", "4f1c")
    for bad in ("galaxy-zoo@", "galaxy-zoo@4f1", "a@../b", "a@4f1c@4f1c", "../a@4f1c"):
        with pytest.raises(BadInput):
            split_argument(bad)


def test_the_start_of_a_version_has_to_mean_one():
    versions = ("4f1c000000000000", "4f1d000000000000", "aaaa000000000000")
    assert choose_version("m", "4f1c", versions) == versions[0]
    with pytest.raises(BadInput, match="found 2; choose one of 4f1c000000000000, 4f1d"):
        choose_version("m", "4f1", versions)
    with pytest.raises(BadInput, match="found 0"):
        choose_version("m", "bbbb", versions)
