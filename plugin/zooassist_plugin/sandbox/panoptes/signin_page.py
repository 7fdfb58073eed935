"""What does a person see who must sign in? One form without scripts."""

from __future__ import annotations

from html import escape

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sign in to the sandbox</title>
<style>
  body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 22em; margin: 4em auto; }}
  label, input, button {{ display: block; width: 100%; box-sizing: border-box; font: inherit; }}
  input {{ margin-bottom: 1em; padding: .4em; }}
  button {{ padding: .5em; background: #00979d; color: #fff; border: 0; border-radius: 4px; }}
</style>
<h1>Sign in to the sandbox</h1>
<p role="alert">{problem}</p>
<form method="post" action="/users/sign_in">
  <input type="hidden" name="authenticity_token" value="{token}">
  <label>Login <input name="user[login]" value="{login}" autocomplete="username" required></label>
  <label>Password
    <input name="user[password]" type="password" autocomplete="current-password" required></label>
  <button>Sign in</button>
</form>
<p>{accounts}</p>
</html>
"""


def signin_page(token: str, login: str = "", problem: str = "", accounts: str = "") -> str:
    """Return the form; every text is escaped."""
    texts = {"token": token, "login": login, "problem": problem, "accounts": accounts}
    return PAGE.format(**{name: escape(text) for name, text in texts.items()})
