"""Label Studio's door: the protocol of its machine learning backends."""
