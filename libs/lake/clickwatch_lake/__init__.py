"""The lake's open tables: Apache Iceberg, with the catalog in PostgreSQL and the files on disk or in S3."""

from clickwatch_lake.batches import AlreadyCommitted, Batch, Committed, StoredBatch, commit, find_batch, last_batch
from clickwatch_lake.catalog import LakeConflict
from clickwatch_lake.lake import Lake
from clickwatch_lake.plan import Plan, PlannedFile, plan
from clickwatch_lake.storage import Storage, lake_storage
from clickwatch_lake.tables import LakeTable

__all__ = [
    "AlreadyCommitted",
    "Batch",
    "Committed",
    "Lake",
    "LakeConflict",
    "LakeTable",
    "Plan",
    "PlannedFile",
    "Storage",
    "StoredBatch",
    "commit",
    "find_batch",
    "lake_storage",
    "last_batch",
    "plan",
]
