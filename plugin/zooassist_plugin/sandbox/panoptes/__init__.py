"""The Panoptes half of the sandbox: /api, /oauth, /users and media."""
