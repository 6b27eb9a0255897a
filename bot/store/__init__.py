"""The store: every promise the bot makes is a row here before it is told to anybody.

    await open_store(url) -> SqlStore --upgrade()--> the newest schema
      |-- begin() -> Transaction   all repositories, one commit, or nothing
      |-- read()  -> Transaction   a snapshot: waits for no writer and makes none wait

One file per port holds its tables and its repository. SQLite by default, PostgreSQL by URL.
The one-way doors (unique keys, one running run per place, one active anomaly per
fingerprint) are in the schema, so that no second replica can walk around them.
The entrance is `bot.store.store`; it is not imported here, to keep importing the package cheap.
"""
