//! `FolderService`: the folders of a cloud.
//!
//! cloudapi `yandex/cloud/resourcemanager/v1/folder_service.proto` in its REST form, as far as needed to find a folder
//! by its name. Assumed: as for service accounts. Not emulated: pages, and the roles that listing requires.

use serde_json::{Value, json};

use super::answer::{Answer, Refusal};
use super::call::Call;
use super::service::Service;
use super::service_accounts::parse_filter;

/// `GET /resource-manager/v1/folders`
pub(super) fn list(service: &Service, call: &Call) -> Result<Answer, Refusal> {
    service.authenticate(call)?;
    let cloud_id = call.required_field("cloudId")?;
    let name = call.field("filter")?.map(parse_filter).transpose()?;
    let cloud = service.cloud();
    let folders: Vec<Value> = cloud
        .folders_of(cloud_id)
        .filter(|folder| name.is_none_or(|name| folder.name == name))
        .map(|folder| json!({ "id": folder.id, "cloudId": cloud_id, "name": folder.name }))
        .collect();
    let answer = if folders.is_empty() { json!({}) } else { json!({ "folders": folders }) };
    Ok(Answer::ok(&answer))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{emulator, get};
    use super::*;

    #[test]
    fn a_folder_is_found_in_its_cloud() {
        let emulator = emulator();
        let folder = emulator.add_folder("prod", "b1gcloud");
        emulator.add_folder("prod", "b1gother");
        let bearer = format!("Bearer {}", emulator.issue_iam_token("ajereader"));
        let list = |query: &str| {
            let path = format!("/resource-manager/v1/folders?{query}");
            get(&emulator, &path, &[("authorization", bearer.as_str())])
        };
        let found = list("cloudId=b1gcloud&filter=name+%3D+%22prod%22").json();
        assert_eq!(
            found["folders"],
            json!([{ "id": folder, "cloudId": "b1gcloud", "name": "prod" }])
        );
        assert_eq!(list("cloudId=b1gcloud&filter=name%3D%22test%22").json(), json!({}));
        assert_eq!(list("").status, 400);
    }
}
