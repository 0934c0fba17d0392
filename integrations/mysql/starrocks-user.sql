-- StarRocks, where the name of the user is the subject. See docs/mysql.md.
CREATE USER 'ajeexampleaccount000' IDENTIFIED WITH authentication_jwt AS '{
  "jwks_url": "https://auth.yandex.cloud/oauth/jwks/keys",
  "principal_field": "sub",
  "required_issuer": "https://auth.yandex.cloud",
  "required_audience": "mysql"
}';
