"""What bringing an image to a server costs, by FTL and by what others do: bytes, seconds, memory."""
