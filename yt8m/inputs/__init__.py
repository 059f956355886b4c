"""What the flags over data name, opened: shards and raw video."""
