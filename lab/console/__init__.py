"""What people and programs see of a running laboratory: the lab service, its HTTP surface and its client."""
