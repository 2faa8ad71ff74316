"""What AWS IoT does when a core predicts a label."""
