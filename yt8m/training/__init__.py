"""How a run is trained: data, loop, optimizer, checkpoints, averages, devices."""
