"""The Caesar half of the sandbox: workflows, extracts, reductions, rules, GraphQL."""
