//! The settings of `gcp`, one row each.

use crate::settings::{Field, Kind, Table};

pub static OWN_AUDIENCE: Field = Field::new(Kind::Text, "audience", "", "YC_ID_TOKEN_GCP_AUDIENCE")
    .help("AUD", "Audience of the ID token for Google Cloud");

pub static PROVIDER: Field =
    Field::new(Kind::Text, "provider", "--provider", "YC_ID_TOKEN_GCP_PROVIDER").help(
        "PROVIDER",
        "Workload identity pool provider, such as //iam.googleapis.com/projects/NUMBER/… [default: the one that the client requests]",
    ).essential();

pub static SERVICE_ACCOUNT_EMAIL: Field = Field::new(
    Kind::Text,
    "service_account_email",
    "--service-account-email",
    "YC_ID_TOKEN_GCP_SERVICE_ACCOUNT_EMAIL",
)
.help(
    "EMAIL",
    "Google service account that the command of `exec --gcp` impersonates [default: none]",
);

pub const TABLE: Table = Table {
    name: "gcp",
    heading: "Google Cloud options",
    settings: &[&OWN_AUDIENCE, &PROVIDER, &SERVICE_ACCOUNT_EMAIL],
};
