"""Where a day comes from: the log and the lake, here or in a store."""
