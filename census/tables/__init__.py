"""Read and write the tables of users: find the postcodes, refuse what is not clear, write files atomically."""
