"""The pipeline as jobs: stages in order, profiles, the queue, the command line."""
