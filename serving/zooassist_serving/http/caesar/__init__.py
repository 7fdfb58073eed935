"""Caesar's doors: its external extractors and reducers, as it calls them."""
