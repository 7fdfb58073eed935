"""Panoptes: the REST API under /api, sign-in, OAuth and media, one file per question."""
