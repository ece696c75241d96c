"""Tables of items and blobs: Parquet files in a private folder, joined by DuckDB.

Nothing here knows a store: the engine fetches tables into a ``Workspace`` and stores what is
written there.
"""
