"""Published weights and models: maps of their parameter names onto the trunk, and components from libraries."""
