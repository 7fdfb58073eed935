"""Settings: precedence, defaults that never reach production by accident, clear errors."""

from __future__ import annotations

import pytest

from zooassist_plugin.errors import BadInput
from zooassist_plugin.settings import PRODUCTION_CAESAR, load_settings


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_defaults_are_production():
    settings = load_settings({})
    assert settings.caesar_endpoint == PRODUCTION_CAESAR
    assert not settings.is_local


def test_a_local_panoptes_never_sends_its_token_to_production_caesar():
    settings = load_settings({"PANOPTES_ENDPOINT": "http://127.0.0.1:3735/"})
    assert settings.caesar_endpoint == settings.panoptes_endpoint == "http://127.0.0.1:3735"
    assert settings.is_local


def test_staging_panoptes_goes_with_staging_caesar():
    settings = load_settings({"PANOPTES_ENDPOINT": "https://panoptes-staging.zooniverse.org"})
    assert settings.caesar_endpoint == "https://caesar-staging.zooniverse.org"


def test_environment_beats_file(tmp_path):
    (tmp_path / "assist.toml").write_text('username = "file"\npassword = "kept"\n')
    settings = load_settings({"PANOPTES_USERNAME": "environment"})
    assert (settings.username, settings.password) == ("environment", "kept")


def test_secrets_stay_out_of_repr():
    settings = load_settings({"PANOPTES_USERNAME": "me", "PANOPTES_PASSWORD": "hush"})
    assert "hush" not in repr(settings)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("usernam = 'x'", "unknown setting 'usernam'"),
        ("= 3", "expected a TOML settings file"),
        ("panoptes_endpoint = 'zooniverse.org'", "expected a URL such as"),
    ],
)
def test_bad_file_is_one_clear_error(tmp_path, content, expected):
    (tmp_path / "assist.toml").write_text(content)
    with pytest.raises(BadInput, match=expected):
        load_settings({})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"PANOPTES_USERNAME": "me"}, "PANOPTES_USERNAME is set, PANOPTES_PASSWORD is not"),
        ({"PANOPTES_PASSWORD": "x"}, "PANOPTES_PASSWORD is set, PANOPTES_USERNAME is not"),
        ({"PANOPTES_CLIENT_ID": "x"}, "PANOPTES_CLIENT_ID is set, PANOPTES_CLIENT_SECRET is not"),
        ({"PANOPTES_CLIENT_SECRET": "x"}, "SECRET is set, PANOPTES_CLIENT_ID is not: set both"),
    ],
)
def test_half_a_login_is_refused(given, expected):
    with pytest.raises(BadInput, match=expected):
        load_settings(given)


def test_whole_logins_and_none_at_all_are_taken():
    assert not load_settings({}).has_login
    assert load_settings({"PANOPTES_USERNAME": "me", "PANOPTES_PASSWORD": "x"}).has_login
    client = {"PANOPTES_CLIENT_ID": "app", "PANOPTES_CLIENT_SECRET": "x"}
    assert load_settings(client).has_login
    through_an_application = {"PANOPTES_USERNAME": "me", "PANOPTES_PASSWORD": "x"}
    assert load_settings({**through_an_application, "PANOPTES_CLIENT_ID": "app"}).has_login
