"""Which modalities does a volume have? One stack for each, all of one shape."""

from __future__ import annotations

from pathlib import Path

from zooassist_plugin.errors import BadInput
from zooassist_plugin.stacks.nifti import channels_of, open_nifti
from zooassist_plugin.stacks.opening import ending_of, open_stack
from zooassist_plugin.stacks.stack import Stack, size_text

NIFTI = (".nii", ".nii.gz")


def open_modalities(path: Path) -> list[Stack]:
    """Open a volume; no slice is read yet.

    Parameters
    ----------
    path : Path
        A stack as `open_stack` takes it, a NIfTI file with modalities along its fourth axis, or a
        folder with a NIfTI file per modality, in the order of their names.

    Raises
    ------
    BadInput
        As of `open_stack`, or when the modalities differ in shape.
    """
    if path.is_dir():
        files = sorted(
            each
            for each in path.iterdir()
            if each.name.lower().endswith(NIFTI) and not each.name.startswith(".")
        )
        stacks = [open_nifti(file) for file in files] or [open_stack(path)]
    elif ending_of(path) in NIFTI and path.is_file():
        count = channels_of(path)
        stacks = [open_nifti(path, channel) for channel in range(count)]
    else:
        stacks = [open_stack(path)]
    for stack in stacks:
        if stack.shape != stacks[0].shape:
            raise BadInput(
                f"{stack.path}: expected {size_text(stacks[0].shape)} voxels as in "
                f"{stacks[0].path.name}, got {size_text(stack.shape)}; resample one of them"
            )
    return stacks
