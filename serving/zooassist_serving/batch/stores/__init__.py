"""Where do objects lie? Folders of this machine and S3, behind one interface."""
