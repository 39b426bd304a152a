"""Where a stage tree can come from: one module a plugin of Jenkins."""
