"""What did a volunteer do to a proposal? Nothing comes back but geometry, so geometry decides."""
