"""Parts of the benchmark of serving."""
