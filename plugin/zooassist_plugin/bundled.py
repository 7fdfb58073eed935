"""Which models come with zooassist, and where do they lie? Asked without importing their room."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

# Name of a model -> the package that carries it, and the folder inside that package.
BUNDLED_MODELS: dict[str, tuple[str, str]] = {
    "galaxy-zoo": ("zooassist_serving", "bundled/galaxy-zoo"),
    "nuclei": ("zooassist_serving", "bundled/nuclei"),
}


def bundled_folders() -> dict[str, Path]:
    """Return the folder of each bundled model whose package is installed.

    The spec of a top-level package is found without running any of its code.
    """
    folders: dict[str, Path] = {}
    for name, (package, folder) in BUNDLED_MODELS.items():
        spec = find_spec(package)
        if spec is not None and spec.origin is not None:
            folders[name] = Path(spec.origin).parent / folder
    return folders
