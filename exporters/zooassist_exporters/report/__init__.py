"""One page about an export or a training set: counts, agreement, time, and what was left out."""
