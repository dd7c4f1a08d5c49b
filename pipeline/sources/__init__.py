"""Where poems come from without a crawl: files, data sets of the hub, and snapshots that outlive a source."""
