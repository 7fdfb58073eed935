"""The `zooassist` command: a table of subcommands, each imported only when it runs."""

from __future__ import annotations

import errno
import importlib
import itertools
import logging
import os
import sys
from dataclasses import dataclass

import click

from zooassist_plugin import __version__
from zooassist_plugin.errors import BadInput, MissingExtra, ZooassistError


@dataclass(frozen=True)
class Door:
    """Where a subcommand lives and the one line that `--help` shows for it."""

    target: str
    help: str


# The one composition point between rooms. Strings, so that `--help` imports none of them.
DOORS: dict[str, Door] = {
    "demo": Door("zooassist_loop.demo.command:demo", "Run the whole loop on the sandbox."),
    "sandbox": Door("zooassist_plugin.sandbox.command:sandbox", "Run a local Panoptes and Caesar."),
    "enable": Door("zooassist_loop.enable_command:enable", "Turn pre-fill on for a workflow."),
    "disable": Door("zooassist_loop.enable_command:disable", "Turn pre-fill off again."),
    "status": Door("zooassist_loop.enable_command:status", "Check a workflow's pre-fill."),
    "propose": Door(
        "zooassist_loop.propose.command:propose", "Predict subjects and present the proposals."
    ),
    "loop": Door("zooassist_loop.command:loop", "Choose what to ask, account for effort."),
    "export": Door("zooassist_exporters.command:export", "Classifications to training sets."),
    "train": Door("zooassist_training.command:train", "Training set to model folder."),
    "evaluate": Door(
        "zooassist_training.evaluation.command:evaluate", "Measure a model on a training set."
    ),
    "model": Door("zooassist_serving.model_command:model", "Inspect and verify model folders."),
    "predict": Door("zooassist_serving.predict_command:predict", "Predict images into a table."),
    "serve": Door("zooassist_serving.http.command:serve", "Serve models over HTTP."),
    "drift": Door(
        "zooassist_serving.drift_command:drift", "Write down what a model says of its own images."
    ),
    "batch": Door(
        "zooassist_serving.batch.command:batch", "Predict what lands in a bucket or folder."
    ),
}

ROOMS = (
    "zooassist_plugin",
    "zooassist_exporters",
    "zooassist_serving",
    "zooassist_training",
    "zooassist_loop",
)

# Importable module -> the extra that brings it.
EXTRAS = {
    "astropy": "fits",
    "h5py": "hdf5",
    "nibabel": "volumes",
    "tifffile": "volumes",
    "flask": "serve",
    "waitress": "serve",
    "werkzeug": "serve",
    "cryptography": "serve",
    "graphql": "serve",
    "granian": "serve",
    "jwt": "serve",
    "onnxruntime": "serve",
    "scipy": "serve",
    "torch": "train",
    "torchvision": "train",
    "timm": "train",
    "lightning": "train",
    "monai": "train",
    "onnx": "train",
    "shapely": "shapes",
    "skimage": "demo",
    "sklearn": "shapes",
    "yaml": "shapes",
    "sep": "demo",
    "boto3": "aws",
    "botocore": "aws",
    "ray": "ray",
    "crowdkit": "consensus",
    "pandas": "consensus",
    "psycopg": "postgres",
}

# Error number of the operating system -> what the user can do. Others share the last entry.
OS_REMEDIES = {
    errno.EACCES: "choose a place that this account may read and write, or mend its permissions",
    errno.ENOSPC: "the disk is full: free some space, or choose another disk",
    errno.EFBIG: "the file may not grow that large: raise the limit (ulimit -f), or choose "
    "another disk",
    errno.ENOENT: "check the path",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EISDIR: "give a file, not a folder",
    errno.ENOTDIR: "one of the folders in the path is a file: choose another path",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.EADDRINUSE: "that port is taken: choose another --port",
    0: "check the path and the disk",
}
_SAME_REMEDY = {
    errno.EPERM: errno.EACCES,
    errno.EROFS: errno.EACCES,
    errno.EDQUOT: errno.ENOSPC,
}


def explain_missing(error: ModuleNotFoundError) -> ZooassistError | None:
    """Turn a missing optional library into the pip command that brings it, else None."""
    module = (error.name or "").partition(".")[0]
    if module not in EXTRAS:
        return None
    return MissingExtra(
        f"this command needs {module!r}, which is not installed; "
        f'run: pip install "zooassist[{EXTRAS[module]}]"'
    )


class LazyGroup(click.Group):
    """A group whose commands are imported when they run, not when they are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(DOORS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command by name."""
        door = DOORS.get(cmd_name)
        if door is None:
            return None
        module, _, attribute = door.target.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{door.target} is not a click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, importing none."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, door.help) for name, door in DOORS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(__version__, prog_name="zooassist")
def cli(debug: bool) -> None:
    """Put a trained model to work inside a Zooniverse project."""
    # Our own log lines stand in for progress bars where nobody watches; libraries only warn.
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
    if not sys.stderr.isatty():
        for room in ROOMS:
            logging.getLogger(room).setLevel(logging.INFO)
    # It tells of every retry in its own words; `http_session` says once what it waits for.
    logging.getLogger("urllib3.connectionpool").setLevel(
        logging.WARNING if debug else logging.ERROR
    )
    # It tells of damaged files beside the error that we say in one line.
    logging.getLogger("tifffile").setLevel(logging.WARNING if debug else logging.CRITICAL)


def explain_os_error(error: OSError) -> str | None:
    """Return one line that names the path and the remedy; None for what no system call said."""
    if error.errno is None:
        return None  # libraries derive from OSError too: requests, Pillow
    number = _SAME_REMEDY.get(error.errno, error.errno)
    remedy = OS_REMEDIES.get(number, OS_REMEDIES[0])
    # Arrow writes the path into its text and gives no `filename`.
    said = (error.strerror or os.strerror(error.errno)).splitlines()[0]
    paths = [os.fsdecode(each) for each in (error.filename, error.filename2) if each is not None]
    return f"{' -> '.join(map(str, paths))}: {said}; {remedy}" if paths else f"{said}; {remedy}"


def _say(error: Exception) -> int:
    """Print one line for an error and return the exit code."""
    if isinstance(error, ModuleNotFoundError):
        error = explain_missing(error) or error
    if isinstance(error, ZooassistError):
        text, code = str(error), error.exit_code
    elif isinstance(error, OSError) and (explained := explain_os_error(error)):
        text, code = explained, BadInput.exit_code
    else:
        said = next(iter(str(error).splitlines()), "")
        text = (
            f"unexpected {type(error).__name__}{f' ({said})' if said else ''}; "
            "run again as `zooassist --debug …` for the traceback"
        )
        code = 1
    click.echo(f"error: {text}", err=True)
    return code


def main() -> None:
    """Run the command line; exit codes are 0 done, 1 some items failed, 2 usage, 3 refused."""
    before_command = itertools.takewhile(lambda each: each.startswith("-"), sys.argv[1:])
    debug = "--debug" in before_command
    try:
        cli(prog_name="zooassist")
    except Exception as error:  # the last door: whatever comes is one line
        if debug:
            raise
        sys.exit(_say(error))


if __name__ == "__main__":
    main()
