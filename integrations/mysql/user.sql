-- MySQL Enterprise. See docs/mysql.md.
CREATE USER 'robot'@'%' IDENTIFIED WITH 'authentication_openid_connect'
  AS '{"identity_provider": "yandex-cloud", "user": "ajeexampleaccount000"}';
