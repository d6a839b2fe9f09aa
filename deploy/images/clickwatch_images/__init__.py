"""What the stand-in images are made of."""
