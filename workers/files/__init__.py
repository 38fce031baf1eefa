"""Where objects' files are: in one folder, or in a bucket with a copy at hand."""
