"""Where poems come from without a crawl: your own files, data sets of the hub, snapshots that outlive a source."""
