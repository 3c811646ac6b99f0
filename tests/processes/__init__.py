"""Each process of the project, walked by its people on the real runtime."""
