"""Predict very many images into one file: listed, resumable, in constant memory."""
