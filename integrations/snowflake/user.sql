-- See docs/snowflake.md.
CREATE USER robot
  TYPE = SERVICE
  WORKLOAD_IDENTITY = (
    TYPE = OIDC
    ISSUER = 'https://auth.yandex.cloud'
    SUBJECT = 'ajeexampleaccount000'
  )
  DEFAULT_ROLE = PUBLIC;
