"""How were the bundled models made? One module per model, with its seed."""
