"""Tools around the pipeline: servers for a team, a shared remote, presets, and restoring an earlier version."""
