"""What lists videos: manifests, folders, data sets, and what is known of each file."""
