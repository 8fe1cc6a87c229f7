"""The jobs of the factory (one file each) and what jobs and trainers stand on."""
