"""The commands of `zooassist model` that are about versions: which are there, and which answer?"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click

from zooassist_plugin.errors import BadInput, ZooassistError
from zooassist_serving.model_folder import load_model_folder
from zooassist_serving.repository import changes
from zooassist_serving.repository.names import split_argument
from zooassist_serving.repository.opening import open_repository
from zooassist_serving.repository.release import Release
from zooassist_serving.repository.store import Store
from zooassist_serving.trial import check_runs

Command = Callable[..., Any]


def _in_repository(required: bool = True) -> Callable[[Command], Command]:
    return click.option(
        "--repository",
        "-r",
        "address",
        envvar="ZOOASSIST_MODELS",
        required=required,
        metavar="REPOSITORY",
        help="A folder, or s3://bucket/prefix. [env: ZOOASSIST_MODELS]",
    )


@click.command(
    short_help="Check a model and run it once.",
    epilog="""\b
Examples:
  zooassist model verify galaxy-zoo
  zooassist model verify models/next
  zooassist model verify galaxy-zoo@4f1c --repository s3://models/zoo
  zooassist model verify --repository s3://models/zoo""",
)
@click.argument("argument", metavar="MODEL", required=False)
@_in_repository(required=False)
def verify(argument: str | None, address: str | None) -> None:
    """Check MODEL's digest, contents and schema, and run it once.

    MODEL is a model folder or a bundled name; with --repository one of its models, or NAME@VERSION;
    without MODEL all versions of the repository.
    """
    if address is None:
        if argument is None:
            raise BadInput("expected a model folder or a bundled name; or give --repository")
        folder = load_model_folder(argument)
        check_runs(folder)
        size = folder.onnx_path.stat().st_size
        click.echo(f"{folder.card.name} {folder.card.version}: sound ({size:,} bytes)")
        return
    store = open_repository(address)
    failed = 0
    for name, version in _meant(store, argument):
        try:
            check_runs(store.folder(name, version))
        except ZooassistError as error:
            failed += 1
            click.echo(f"error: {name} {version}: {error}", err=True)
        else:
            click.echo(f"{name} {version}: sound")
    if failed:
        raise SystemExit(1)


@click.command(
    short_help="Keep a model folder in a repository.",
    epilog="""\b
Examples:
  zooassist model add models/next --repository s3://models/zoo""",
)
@click.argument("argument", metavar="MODEL")
@_in_repository()
def add(argument: str, address: str) -> None:
    """Keep a copy of MODEL, a folder or a bundled name, under its version; nobody is served it."""
    name, version = _added(open_repository(address), argument)
    click.echo(f"{name} {version}: kept; `zooassist model activate {name}@{version}` serves it")


@click.command(
    short_help="Let a version of a model answer.",
    epilog="""\b
Examples:
  zooassist model activate models/next --repository models
  zooassist model activate galaxy-zoo@4f1c --repository s3://models/zoo""",
)
@click.argument("argument", metavar="MODEL")
@_in_repository()
def activate(argument: str, address: str) -> None:
    """Let MODEL answer: NAME@VERSION of the repository, or a model folder, which is added first.

    It is verified and run once before. Running servers follow within a second.
    """
    store = open_repository(address)
    if "@" in argument:
        name, start = split_argument(argument)
        version = changes.find_version(store, name, start)
        check_runs(store.folder(name, version))
    else:
        name, version = _added(store, argument)
    _say(name, changes.activate(store, name, version))


@click.command(
    short_help="Let the version before answer again.",
    epilog="""\b
Examples:
  zooassist model rollback galaxy-zoo --repository models""",
)
@click.argument("name", metavar="NAME")
@_in_repository()
def rollback(name: str, address: str) -> None:
    """Let the version of NAME answer again that answered before the one that does now.

    No request is dropped: those under way are answered by the version that they began with.
    """
    _say(name, changes.roll_back(open_repository(address), name))


@click.command(
    short_help="Let another version look too, for the log only.",
    epilog="""\b
Examples:
  zooassist model shadow galaxy-zoo@4f1c --repository models
  zooassist model shadow galaxy-zoo --off --repository models""",
)
@click.argument("argument", metavar="MODEL")
@click.option("--off", is_flag=True, help="No version looks any more.")
@_in_repository()
def shadow(argument: str, off: bool, address: str) -> None:
    """Let NAME@VERSION look at every image beside the active version; its answers are logged."""
    store = open_repository(address)
    name, start = split_argument(argument)
    if off == bool(start):
        raise BadInput(f"{argument}: expected NAME@VERSION, or NAME with --off")
    version = None if off else changes.find_version(store, name, start)
    _say(name, changes.shadow(store, name, version))


@click.command(
    short_help="Let other versions answer a share of the subjects.",
    epilog="""\b
Examples:
  zooassist model share galaxy-zoo@4f1c=0.2 --repository models
  zooassist model share galaxy-zoo --off --repository models""",
)
@click.argument("arguments", metavar="MODEL...", nargs=-1, required=True)
@click.option("--off", is_flag=True, help="The active version answers all.")
@_in_repository()
def share(arguments: tuple[str, ...], off: bool, address: str) -> None:
    """Let each NAME@VERSION=SHARE answer that share of the subjects, the active version the rest.

    A subject is always answered by the same version: its id decides.
    """
    store = open_repository(address)
    shares: dict[str, float] = {}
    names = set()
    for argument in arguments:
        model, equals, text = argument.partition("=")
        name, start = split_argument(model)
        names.add(name)
        if off == bool(equals) or off == bool(start):
            raise BadInput(f"{argument}: expected NAME@VERSION=SHARE, or NAME with --off")
        if not off:
            shares[changes.find_version(store, name, start)] = _share(text)
    if len(names) != 1:
        raise BadInput(f"expected versions of one model, got {', '.join(sorted(names))}")
    (name,) = names
    _say(name, changes.share(store, name, shares))


@click.command(
    "list",
    short_help="Say which versions are there, and which answer.",
    epilog="""\b
Examples:
  zooassist model list --repository models
  zooassist model list --repository s3://models/zoo --json""",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@_in_repository()
def list_models(as_json: bool, address: str) -> None:
    """Say which models and versions a repository has, and who answers."""
    store = open_repository(address)
    listed = {}
    for name in store.names():
        release = store.read(name).release
        listed[name] = {
            "versions": list(store.versions(name)),
            "release": None if release is None else release.model_dump(mode="json", by_alias=True),
        }
        if not as_json:
            for version in store.versions(name):
                click.echo(f"{name}@{version}{_role(release, version)}")
    if as_json:
        click.echo(json.dumps(listed, indent=2))
    elif not listed:
        click.echo(f"{store.place}: no models; `zooassist model activate FOLDER` brings one")


COMMANDS: tuple[click.Command, ...] = (
    verify,
    list_models,
    add,
    activate,
    rollback,
    shadow,
    share,
)


def _meant(store: Store, argument: str | None) -> list[tuple[str, str]]:
    if argument is not None:
        name, start = split_argument(argument)
        return [(name, changes.find_version(store, name, start))]
    found = [(name, version) for name in store.names() for version in store.versions(name)]
    if not found:
        raise BadInput(f"{store.place}: expected a repository of models, found no version in it")
    return found


def _added(store: Store, argument: str) -> tuple[str, str]:
    folder = load_model_folder(argument)
    check_runs(folder)
    store.add(folder)
    return folder.card.name, folder.card.version


def _share(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise BadInput(f"share {text!r}: expected a number above 0 and below 1") from error


def _say(name: str, release: Release) -> None:
    for version in release.versions:
        click.echo(f"{name}@{version}{_role(release, version)}")


def _role(release: Release | None, version: str) -> str:
    if release is None:
        return ""
    if version == release.active:
        rest = 1 - sum(release.shares.values())
        share = f" {rest:.0%} of the subjects" if release.shares else ""
        before = f"; before: {release.history[-1]}" if release.history else ""
        return f"  answers{share}{before}"
    if version in release.shares:
        return f"  answers {release.shares[version]:.0%} of the subjects"
    return "  shadow: looks too, for the log" if version == release.shadow else ""
