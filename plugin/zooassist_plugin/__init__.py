"""What Zooniverse sees: the words, the platform adapters, the sandbox and the command line."""

__version__ = "0.1.0"
