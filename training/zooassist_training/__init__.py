"""Labels to networks to ONNX; the only room that imports torch."""

import os

# OpenMP's threads spin while they wait for each other. On a machine that does anything else (a
# sandbox, a server, another training) that made fine-tuning nine times slower; idle ones lose
# nothing. Has to be said before torch loads OpenMP; a user's own setting is kept.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
