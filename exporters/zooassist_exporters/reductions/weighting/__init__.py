"""Votes weighted by how far each volunteer can be relied on."""
