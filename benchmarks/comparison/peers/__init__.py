"""One script a library, run by the Python of an environment where that library is installed, and nothing of ours."""
