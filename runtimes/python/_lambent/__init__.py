"""The platform's runtime for Python. Nothing here is for the author's code to import."""
