"""What makes a raw text a poem: rules by name, text around a poem, drama, lost letters, splitting, duplicates."""
