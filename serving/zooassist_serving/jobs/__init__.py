"""Predictions of many subjects, made while nobody waits for the answer."""
