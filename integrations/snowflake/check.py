# Logs in with the token in the file that SNOWFLAKE_TOKEN_FILE or connections.toml names. See docs/snowflake.md.
import os

import snowflake.connector

options = {}
if "SNOWFLAKE_TOKEN_FILE" in os.environ:
    options["token_file_path"] = os.environ["SNOWFLAKE_TOKEN_FILE"]
with snowflake.connector.connect(connection_name="yandex-cloud", **options) as connection:
    print(*connection.cursor().execute("SELECT CURRENT_USER()").fetchone())
