"""Images that land in a store are predicted: nothing is lost, and nothing is done twice."""
