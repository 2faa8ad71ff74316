"""``samples``: what feedback kept, with what each object in S3 says of itself."""
