//! The common options that each housekeeping command takes, where these are not all. An option that has no effect on a
//! command is an error there.

use crate::settings::schema::{
    AUDIENCE, CONFIG, ID_TOKEN_ROUTE, PROFILE, SERVICE_ACCOUNT, SUBJECT_TOKEN_TYPE, TIMEOUT,
};
use crate::settings::{Field, Group};

/// For commands that read no settings.
pub(super) fn for_diagnostics(_: &str, field: &Field) -> bool {
    field.group == Group::Diagnostics
}

/// For commands that read the configuration file and no other settings.
pub(super) fn of_file(command: &str, field: &Field) -> bool {
    let reads_all = ["path", "edit", "validate"].contains(&command);
    field.flag == CONFIG.flag
        || (field.flag == PROFILE.flag && !reads_all)
        || for_diagnostics(command, field)
}

/// For `key`: the keyring has a time limit.
pub(super) fn of_key(command: &str, field: &Field) -> bool {
    field.flag == TIMEOUT.flag || of_file(command, field)
}

/// For `cache`: `clear` finds the credentials that the other options lead to.
pub(super) fn of_cache(command: &str, field: &Field) -> bool {
    command != "path" || for_diagnostics(command, field)
}

/// For `service-accounts`, which gets no ID token.
pub(super) fn of_folder(_: &str, field: &Field) -> bool {
    let of_id_token = [&AUDIENCE, &SERVICE_ACCOUNT, &ID_TOKEN_ROUTE, &SUBJECT_TOKEN_TYPE];
    !of_id_token.iter().any(|it| it.flag == field.flag)
}
