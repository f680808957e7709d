"""What is shipped and looked up by name: accelerators, models, engines, offers and their prices."""
