"""Images and masks of one or many slices, read slice by slice."""
