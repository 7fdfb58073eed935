"""Masks of images and volumes: reading, running, label maps."""
