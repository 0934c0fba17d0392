//! The settings of `aws`, one row each.

use crate::settings::{Field, Kind, Table};

pub const OWN_AUDIENCE: Field = Field::new(Kind::Text, "audience", "", "YC_ID_TOKEN_AWS_AUDIENCE")
    .help("AUD", "Audience of the ID token for STS");

pub const ROLE_ARN: Field =
    Field::new(Kind::Text, "role_arn", "--role-arn", "YC_ID_TOKEN_AWS_ROLE_ARN")
        .help("ARN", "Role to assume, such as arn:aws:iam::123456789012:role/robot; not needed where an S3-compatible server maps tokens to policies");

pub(crate) const ROLE_SESSION_NAME: Field =
    Field::new(Kind::Text, "role_session_name", "--role-session-name", "YC_ID_TOKEN_AWS_ROLE_SESSION_NAME")
        .help("NAME", "Name of the session, as CloudTrail shows it [default: yc-id-token- and the service account's ID]");

pub(crate) const DURATION: Field =
    Field::new(Kind::Time, "duration", "--duration", "YC_ID_TOKEN_AWS_DURATION")
        .help("TIME", "Life of the keys, 15m to 12h, at most what the role allows [default: 1h]");

pub(crate) const POLICY: Field =
    Field::new(Kind::Text, "policy", "--policy", "YC_ID_TOKEN_AWS_POLICY")
        .help("JSON", "Policy that narrows down what the role allows, as JSON");

pub(crate) const POLICY_ARN: Field =
    Field::new(Kind::Words, "policy_arn", "--policy-arn", "YC_ID_TOKEN_AWS_POLICY_ARN")
        .help("ARN", "Managed policy that narrows down what the role allows; up to ten times");

pub const REGION: Field =
    Field::new(Kind::Text, "region", "--region", "YC_ID_TOKEN_AWS_REGION")
        .help("REGION", "Region whose STS is asked [default: AWS_REGION, AWS_DEFAULT_REGION, AWS's configuration, us-east-1]");

pub const STS_ENDPOINT: Field =
    Field::new(Kind::Text, "sts_endpoint", "--sts-endpoint", "YC_ID_TOKEN_AWS_STS_ENDPOINT")
        .help("URL", "Address of another STS [default: AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL, AWS's configuration, the region's]");

pub(crate) const STS_DUAL_STACK: Field = Field::new(
    Kind::Switch,
    "sts_dual_stack",
    "--sts-dual-stack",
    "YC_ID_TOKEN_AWS_STS_DUAL_STACK",
)
.help("", "Ask the region's dual-stack STS, which is reached by IPv6 too");

pub(crate) const STS_FIPS: Field =
    Field::new(Kind::Switch, "sts_fips", "--sts-fips", "YC_ID_TOKEN_AWS_STS_FIPS")
        .help("", "Ask the region's FIPS STS");

pub(crate) const TABLE: Table = Table {
    name: "aws",
    heading: "AWS options",
    settings: &[
        OWN_AUDIENCE,
        ROLE_ARN,
        ROLE_SESSION_NAME,
        DURATION,
        POLICY,
        POLICY_ARN,
        REGION,
        STS_ENDPOINT,
        STS_DUAL_STACK,
        STS_FIPS,
    ],
};
