"""What belongs to the process: memory of the C library, free memory, threads, matrix products by oneDNN."""
