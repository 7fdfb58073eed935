"""A strict Panoptes, Caesar and image host on one machine, one process, one port."""
