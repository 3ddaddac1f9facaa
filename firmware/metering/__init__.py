"""What is made of meter readings. Pure."""
