"""The notebook for Postgres vector search."""
