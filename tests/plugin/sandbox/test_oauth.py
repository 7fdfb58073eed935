from __future__ import annotations

import base64
import json
import re
from urllib.parse import parse_qsl

import pytest
import requests
from panoptes_api import FIRST_PARTY, Api, token


def ask(server, **form):
    return requests.post(f"{server.url}/oauth/token", data=form, timeout=20)


def signed_in(server, login="builder", password="sandbox"):
    session = requests.Session()
    headers = {"Accept": "application/json"}
    csrf = session.get(f"{server.url}/users/sign_in", headers=headers, timeout=20)
    answer = session.post(
        f"{server.url}/users/sign_in",
        json={
            "authenticity_token": csrf.headers["X-CSRF-Token"],
            "user": {"login": login, "password": password, "remember_me": True},
        },
        headers=headers,
        timeout=20,
    )
    return session, answer


def test_sign_in_then_password_grant_by_cookie(server):
    session, answer = signed_in(server)
    assert answer.status_code == 200
    assert answer.json()["users"][0]["login"] == "builder"
    form = {"grant_type": "password", "client_id": FIRST_PARTY}
    body = session.post(f"{server.url}/oauth/token", data=form, timeout=20).json()
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 7200
    assert body["scope"].split()[:2] == ["user", "project"]
    assert Api(server.url, body["access_token"]).one("/me")["login"] == "builder"
    assert session.delete(f"{server.url}/users/sign_out", timeout=20).status_code == 204
    assert session.post(f"{server.url}/oauth/token", data=form, timeout=20).status_code == 401
    session.close()


def test_wrong_password_and_missing_csrf(server):
    session, answer = signed_in(server, password="wrong")
    assert (answer.status_code, answer.json()) == (401, {"error": "Invalid email or password."})
    session.close()
    body = {"user": {"login": "builder", "password": "sandbox"}}
    answer = requests.post(f"{server.url}/users/sign_in", json=body, timeout=20)
    assert answer.status_code == 422


def test_the_token_is_a_panoptes_jwt(server, clock):
    header, payload, _ = token(server.url, "volunteer2").split(".")

    def part(text):
        return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))

    assert part(header)["alg"] == "RS512"
    claims = part(payload)
    assert set(claims) == {"data", "exp", "iss", "rng"}
    assert set(claims["data"]) == {"id", "login", "dname", "scope", "admin"}
    assert claims["data"]["login"] == "volunteer2"
    assert claims["exp"] == int(clock().timestamp()) + 7200


def test_client_credentials_act_for_the_owner(server):
    body = ask(
        server, grant_type="client_credentials", client_id="sandbox", client_secret="sandbox"
    ).json()
    assert "refresh_token" not in body
    assert Api(server.url, body["access_token"]).one("/me")["login"] == "builder"


def test_refresh_tokens_work_once(server):
    login = {"login": "builder", "password": "sandbox"}
    first = ask(server, grant_type="password", client_id=FIRST_PARTY, **login).json()
    form = {
        "grant_type": "refresh_token",
        "client_id": FIRST_PARTY,
        "refresh_token": first["refresh_token"],
    }
    second = ask(server, **form)
    assert second.status_code == 200
    assert Api(server.url, second.json()["access_token"]).get("/me").status_code == 200
    assert ask(server, **form).status_code == 401


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"grant_type": "password", "client_id": "sandbox"}, 422),
        ({"grant_type": "client_credentials", "client_id": FIRST_PARTY}, 422),
        ({"grant_type": "magic", "client_id": FIRST_PARTY}, 422),
        ({"grant_type": "password", "client_id": FIRST_PARTY, "scope": "everything"}, 422),
        ({"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "x"}, 401),
        ({"grant_type": "client_credentials", "client_id": "sandbox"}, 401),
        ({"grant_type": "password", "client_id": "unknown"}, 401),
        ({"grant_type": "password", "client_id": FIRST_PARTY}, 401),
        (
            {
                "grant_type": "password",
                "client_id": FIRST_PARTY,
                "login": "builder",
                "password": "wrong",
            },
            401,
        ),
    ],
)
def test_refused_grants(server, form, status):
    answer = ask(server, **form)
    assert answer.status_code == status
    assert (answer.content == b"") is (status == 422)


def test_scopes_can_be_narrowed(server):
    login = {"login": "builder", "password": "sandbox", "scope": "user subject"}
    body = ask(server, grant_type="password", client_id=FIRST_PARTY, **login).json()
    assert body["scope"] == "user subject"


def test_tokens_expire_by_the_clock(server, builder, clock):
    clock.forward(seconds=7199)
    assert builder.get("/me").status_code == 200
    clock.forward(seconds=1)
    assert builder.get("/me").status_code == 401
    assert builder.get("/projects").status_code == 401


def test_forged_and_broken_tokens_are_401(server):
    genuine = token(server.url, "volunteer1").split(".")
    claims = json.loads(base64.urlsafe_b64decode(genuine[1] + "=="))
    claims["data"] |= {"login": "builder", "id": 1, "admin": True}
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    for bad in (f"{genuine[0]}.{forged}.{genuine[2]}", f"{none}.{forged}.", "nonsense"):
        assert Api(server.url, bad).get("/me").status_code == 401


def test_me_is_401_for_anonymous_and_an_empty_header_is_anonymous(server, anonymous, project):
    assert anonymous.get("/me").status_code == 401
    for empty in ("", "Bearer ", "Bearer null"):
        headers = {"Authorization": empty}
        assert anonymous.request("GET", "/me", headers=headers).status_code == 401
        assert anonymous.request("GET", "/projects", headers=headers).status_code == 200


def test_users_by_login_and_registration(server, anonymous):
    found = anonymous.get("/users", login="builder,VOLUNTEER3").json()["users"]
    assert [user["login"] for user in found] == ["builder", "volunteer3"]
    assert "email" not in found[0]
    new = {"user": {"login": "new-one", "password": "long enough", "email": "n@example.org"}}
    assert requests.post(f"{server.url}/users", json=new, timeout=20).status_code == 201
    assert requests.post(f"{server.url}/users", json=new, timeout=20).status_code == 422
    assert Api(server.url, token(server.url, "new-one", "long enough")).one("/me")["email"]


DEV_PAGE = "7532a403edf16f31fb2a210b8a49f59553d45064e6c292679c3eac53631d73d1"


def authorize(session, server, **changes):
    asked = {"response_type": "token", "client_id": DEV_PAGE}
    asked["redirect_uri"] = "https://localhost:8080/?env=production"
    url = f"{server.url}/oauth/authorize"
    return session.get(url, params=asked | changes, timeout=20, allow_redirects=False)


def test_a_page_gets_a_token_behind_the_hash(server):
    session, _ = signed_in(server, "volunteer2")
    answer = authorize(session, server)
    assert answer.status_code == 302
    address, _, fragment = answer.headers["Location"].partition("#")
    assert address == "https://localhost:8080/?env=production"
    details = dict(parse_qsl(fragment))
    assert (details["token_type"], details["expires_in"]) == ("Bearer", "7200")
    assert Api(server.url, details["access_token"]).one("/me")["login"] == "volunteer2"


def test_a_person_signs_in_on_a_form_and_goes_on(server):
    with requests.Session() as session:
        sent_on = authorize(session, server)
        assert (sent_on.status_code, sent_on.headers["Location"]) == (302, "/users/sign_in")
        page = session.get(
            f"{server.url}/users/sign_in", headers={"Accept": "text/html,*/*;q=0.8"}, timeout=20
        )
        assert page.headers["Content-Type"].startswith("text/html")
        csrf = re.search(r'name="authenticity_token" value="([^"]+)"', page.text)[1]
        form = {"authenticity_token": csrf, "user[login]": "volunteer1<", "user[password]": "no"}

        def send():
            url = f"{server.url}/users/sign_in"
            return session.post(url, data=form, timeout=20, allow_redirects=False)

        refused = send()
        assert refused.status_code == 401
        assert "Invalid email or password." in refused.text
        assert 'value="volunteer1&lt;"' in refused.text
        form |= {"user[login]": "volunteer1", "user[password]": "sandbox"}
        answer = send()
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/oauth/authorize?response_type=token")
        assert "#access_token=" in authorize(session, server).headers["Location"]
        assert (
            requests.post(f"{server.url}/users/sign_in", data=form, timeout=20).status_code == 422
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": "https://example.org/"},
        {"redirect_uri": "https://zooniverse.org.example.org/"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": "https://localhost:8080/#here"},
        {"redirect_uri": ""},
        {"client_id": FIRST_PARTY},
        {"client_id": "unknown"},
        {"response_type": "code"},
    ],
)
def test_no_token_goes_to_strangers(server, changes):
    session, _ = signed_in(server)
    answer = authorize(session, server, **changes)
    assert answer.status_code == 401
    assert "Location" not in answer.headers


def test_the_development_page_has_no_other_grant(server):
    form = {"grant_type": "password", "client_id": DEV_PAGE}
    assert ask(server, **form, login="builder", password="sandbox").status_code == 422
    assert ask(server, grant_type="implicit", client_id=DEV_PAGE).status_code == 422
