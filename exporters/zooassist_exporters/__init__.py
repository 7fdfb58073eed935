"""Classifications in, versioned training sets out."""
