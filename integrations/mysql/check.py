# Logs in with the token in the file that MYSQL_TOKEN_FILE names, and prints the user. See docs/mysql.md.
import os

import mysql.connector

connection = mysql.connector.connect(
    host="mysql.example",
    port=3306,
    user="robot",
    openid_token_file=os.environ["MYSQL_TOKEN_FILE"],
    auth_plugin="authentication_openid_connect_client",
    ssl_ca="/etc/ssl/certs/ca-certificates.crt",
    ssl_verify_identity=True,
    use_pure=True,
)
cursor = connection.cursor()
cursor.execute("SELECT CURRENT_USER()")
print(*cursor.fetchone())
