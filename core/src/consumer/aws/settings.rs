//! The settings of `aws`, one row each.

use crate::settings::{Field, Kind, Table};

pub static OWN_AUDIENCE: Field = Field::new(Kind::Text, "audience", "", "YC_ID_TOKEN_AWS_AUDIENCE")
    .help("AUD", "Audience of the ID token for AWS STS");

pub static ROLE_ARN: Field =
    Field::new(Kind::Text, "role_arn", "--role-arn", "YC_ID_TOKEN_AWS_ROLE_ARN")
        .help("ARN", "Role to assume, such as arn:aws:iam::123456789012:role/robot; optional for S3-compatible servers").essential();

pub(crate) static ROLE_SESSION_NAME: Field = Field::new(
    Kind::Text,
    "role_session_name",
    "--role-session-name",
    "YC_ID_TOKEN_AWS_ROLE_SESSION_NAME",
)
.help(
    "NAME",
    "Session name that CloudTrail shows [default: yc-id-token- and the service account's ID]",
);

pub(crate) static DURATION: Field =
    Field::new(Kind::Time, "duration", "--duration", "YC_ID_TOKEN_AWS_DURATION")
        .help("TIME", "Lifetime of the keys, 15m to 12h; the role sets the maximum [default: 1h]")
        .essential();

pub(crate) static POLICY: Field =
    Field::new(Kind::Text, "policy", "--policy", "YC_ID_TOKEN_AWS_POLICY")
        .help("JSON", "Session policy that restricts the role, as JSON");

pub(crate) static POLICY_ARN: Field =
    Field::new(Kind::Words, "policy_arn", "--policy-arn", "YC_ID_TOKEN_AWS_POLICY_ARN")
        .help("ARN", "Managed policy that restricts the role; repeatable, up to ten");

pub static REGION: Field = Field::new(Kind::Text, "region", "--region", "YC_ID_TOKEN_AWS_REGION")
    .help(
        "REGION",
        "Region of STS [default: AWS_REGION, AWS_DEFAULT_REGION, AWS's configuration, us-east-1]",
    )
    .essential();

pub static STS_ENDPOINT: Field =
    Field::new(Kind::Text, "sts_endpoint", "--sts-endpoint", "YC_ID_TOKEN_AWS_STS_ENDPOINT")
        .help("URL", "URL of another STS [default: AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL, AWS's configuration, the region's]");

pub(crate) static STS_DUAL_STACK: Field = Field::new(
    Kind::Switch,
    "sts_dual_stack",
    "--sts-dual-stack",
    "YC_ID_TOKEN_AWS_STS_DUAL_STACK",
)
.help("", "Use the region's dual-stack STS endpoint, with IPv4 and IPv6");

pub(crate) static STS_FIPS: Field =
    Field::new(Kind::Switch, "sts_fips", "--sts-fips", "YC_ID_TOKEN_AWS_STS_FIPS")
        .help("", "Use the region's FIPS STS endpoint");

pub(crate) const TABLE: Table = Table {
    name: "aws",
    heading: "AWS options",
    settings: &[
        &OWN_AUDIENCE,
        &ROLE_ARN,
        &ROLE_SESSION_NAME,
        &DURATION,
        &POLICY,
        &POLICY_ARN,
        &REGION,
        &STS_ENDPOINT,
        &STS_DUAL_STACK,
        &STS_FIPS,
    ],
};
