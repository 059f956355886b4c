"""Records to tensors: schema, readers, segments and synthetic shards."""
