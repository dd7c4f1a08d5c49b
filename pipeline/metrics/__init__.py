"""What is measured on poems: the registry that defines every metric, and a file for each family of them."""
