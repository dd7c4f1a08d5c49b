"""The page, the API and the command line: what readers use to get poems from the promoted model."""
