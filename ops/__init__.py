"""What runs the pipeline for a team: its servers, its storage, and the way back to an earlier version."""
