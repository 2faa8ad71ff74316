"""Training and compilation jobs on Amazon SageMaker."""
