"""What calls that providers recorded cost: by the providers' own word, by us, and by other libraries' tables."""
