"""What `make bench` measures: one module for each subject, one runner, one table."""
