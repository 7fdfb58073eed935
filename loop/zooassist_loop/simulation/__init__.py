"""What would sending some slices to people bring? The loop on volumes whose truth is known."""
