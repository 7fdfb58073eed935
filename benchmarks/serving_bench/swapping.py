"""Which version answers changes all the time: a server that activates and rolls back under load.

``python swapping.py PORT SECONDS MODEL MODEL`` serves the first folder, and every so many seconds
makes the other one active; ``/swaps`` says how often that happened.
"""

from __future__ import annotations

import itertools
import sys
import threading
import time
from functools import partial

from flask import Blueprint, Flask, jsonify

from zooassist_serving.dataplane import DataPlane
from zooassist_serving.http.app import create_app
from zooassist_serving.http.context import Context
from zooassist_serving.http.server import Listening, listen
from zooassist_serving.model_folder import load_model_folder


def load(seconds: float, models: tuple[str, ...]) -> Flask:
    """Make the application, and the thread that swaps."""
    folders = [load_model_folder(model) for model in models]
    plane = DataPlane(folders[:1], threads=1)
    plane.warm_up()
    count = itertools.count()
    swaps: list[int] = []

    def swap() -> None:
        for folder in itertools.cycle((*folders[1:], folders[0])):
            time.sleep(seconds)
            plane.swap(folder.card.name, folder)
            swaps.append(next(count))

    threading.Thread(target=swap, daemon=True).start()

    def door(_: Context) -> Blueprint:
        routes = Blueprint("swapping", __name__)
        routes.add_url_rule("/swaps", view_func=lambda: jsonify(len(swaps)))
        return routes

    return create_app(plane, token=None, doors=[door])


if __name__ == "__main__":
    listen(
        Listening("127.0.0.1", int(sys.argv[1])),
        partial(load, float(sys.argv[2]), tuple(sys.argv[3:])),
    )
