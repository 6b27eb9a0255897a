"""What several rooms need: charts, background tasks, files that change, ports the store serves."""
