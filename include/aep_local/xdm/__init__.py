"""Fields of schemas, values that fit them, and mappings that lead to them."""
