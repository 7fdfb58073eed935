"""Predict the subjects of a set, keep every proposal, and put it where volunteers see it."""
