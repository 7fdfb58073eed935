"""The whole loop on one machine, with real galaxies, for anyone without a Zooniverse account."""
