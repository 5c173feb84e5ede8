"""What instruments say and are told: pure functions between text or bytes and dataclasses."""
