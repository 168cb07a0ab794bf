"""Rows on their way: from source tables through runs into Parquet."""
