"""What is measured on poems: the registry of metrics, and a file for each family of them."""
