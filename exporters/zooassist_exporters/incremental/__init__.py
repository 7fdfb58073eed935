"""Classifications as they come in, pulled from Panoptes' API into a file that grows."""
