"""The human-machine loop: ledger, proposals, volunteers, retirement, demo."""
