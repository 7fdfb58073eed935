import platform
import resource
import subprocess
import sys

import pytest

# Page faults are counted, not seconds: a block that is given back faults again on each page.
FAULTS = """
import resource, sys
from zooassist_training.memory_reuse import keep_freed_memory
import numpy as np
if sys.argv[1] == "keep":
    assert keep_freed_memory()
np.ones(1 << 24).sum()
begun = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):
    np.ones(1 << 24).sum()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begun)
"""


def faults(advice):
    command = [sys.executable, "-c", FAULTS, advice]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc takes the advice")
def test_kept_memory_is_used_again_without_asking_the_system():
    pages = 8 * (8 << 24) // resource.getpagesize()
    assert faults("keep") < pages / 100
    assert faults("give back") > faults("keep")
