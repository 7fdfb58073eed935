"""Extracts of one subject in, one label row out."""
