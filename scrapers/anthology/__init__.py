"""A little poetry site in the markup of Wikisource, with original poems under CC0; crawled where no network is."""
