"""What several rooms need: charts, files that change while the bot runs, ports the store serves."""
