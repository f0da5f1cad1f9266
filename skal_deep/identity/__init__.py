"""What decides a result, as hashes: values, data, and the code a user wrote."""
