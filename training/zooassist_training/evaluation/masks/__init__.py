"""How well does a predicted mask agree with a true one? Pure functions, and files in folders."""
