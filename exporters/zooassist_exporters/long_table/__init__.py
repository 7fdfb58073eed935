"""Every answer of an export as one row of one table, from which all votes are counted."""
