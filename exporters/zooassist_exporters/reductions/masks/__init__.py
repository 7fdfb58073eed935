"""From the outlines that volunteers drew to one mask per frame."""
