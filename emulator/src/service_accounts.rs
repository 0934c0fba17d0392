//! `ServiceAccountService`: lists and gets service accounts.
//!
//! cloudapi `yandex/cloud/iam/v1/service_account_service.proto` in its REST form. Known: the grammar of the filter
//! (`name`, `=`, a quoted value), the sizes of pages. Assumed: that an empty list is `{}`, as proto3 JSON omits empty
//! lists. Not emulated: the roles that listing requires; any IAM token is enough.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::answer::{Answer, Refusal};
use super::call::Call;
use super::cloud::ServiceAccount;
use super::service::Service;

const USUAL_PAGE: usize = 100;
const LARGEST_PAGE: usize = 1000;

/// `GET /iam/v1/serviceAccounts` and `GET /iam/v1/serviceAccounts/{service_account_id}`
pub(super) fn list_or_get(service: &Service, call: &Call) -> Result<Answer, Refusal> {
    service.authenticate(call)?;
    match call.request.path.strip_prefix("/iam/v1/serviceAccounts/") {
        Some(id) => get(service, id),
        None => list(service, call),
    }
}

fn get(service: &Service, id: &str) -> Result<Answer, Refusal> {
    match service.cloud().service_account(id) {
        Some(account) => Ok(Answer::ok(&describe(account))),
        None => Err(Refusal::not_found(format!("Service account {id} not found"))),
    }
}

fn list(service: &Service, call: &Call) -> Result<Answer, Refusal> {
    let folder_id = call.required_field("folderId")?;
    let name = call.field("filter")?.map(parse_filter).transpose()?;
    let size = page_size(call.field("pageSize")?)?;
    let start = call.field("pageToken")?.map_or(Ok(0), decode_page_token)?;

    let cloud = service.cloud();
    let mut matching = cloud
        .service_accounts_in(folder_id)
        .filter(|account| name.is_none_or(|name| account.name == name))
        .skip(start);
    let page: Vec<Value> = matching.by_ref().take(size).map(describe).collect();

    let mut answer = json!({});
    if !page.is_empty() {
        answer["serviceAccounts"] = json!(page);
    }
    if matching.next().is_some() {
        answer["nextPageToken"] = json!(encode_page_token(start.saturating_add(size)));
    }
    Ok(Answer::ok(&answer))
}

fn describe(account: &ServiceAccount) -> Value {
    let mut described = json!({
        "id": account.id,
        "folderId": account.folder_id,
        "createdAt": account.created_at,
        "name": account.name,
        "status": "ACTIVE",
    });
    if !account.labels.is_empty() {
        described["labels"] = json!(account.labels);
    }
    if let Some(at) = &account.last_authenticated_at {
        described["lastAuthenticatedAt"] = json!(at);
    }
    described
}

/// `name="x"`, with or without spaces around the sign. Returns the name.
pub(super) fn parse_filter(filter: &str) -> Result<&str, Refusal> {
    let name = filter
        .trim()
        .strip_prefix("name")
        .and_then(|rest| rest.trim_start().strip_prefix('='))
        .and_then(|rest| rest.trim_start().strip_prefix('"'))
        .and_then(|rest| rest.strip_suffix('"'));
    match name {
        Some(name) if is_valid_name(name) => Ok(name),
        _ => Err(Refusal::invalid_argument("Illegal argument filter")),
    }
}

/// `[a-z][-a-z0-9]{1,61}[a-z0-9]`
fn is_valid_name(name: &str) -> bool {
    let inner = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (3..=63).contains(&name.len())
        && name.bytes().all(inner)
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-')
}

fn page_size(asked: Option<&str>) -> Result<usize, Refusal> {
    match asked.map(str::parse) {
        None | Some(Ok(0)) => Ok(USUAL_PAGE),
        Some(Ok(size)) if size <= LARGEST_PAGE => Ok(size),
        _ => Err(Refusal::invalid_argument("Illegal argument pageSize")),
    }
}

/// Opaque, so that no client computes its own.
fn encode_page_token(start: usize) -> String {
    URL_SAFE_NO_PAD.encode(format!("start={start}"))
}

fn decode_page_token(token: &str) -> Result<usize, Refusal> {
    URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|text| String::from_utf8(text).ok())
        .and_then(|text| text.strip_prefix("start=")?.parse().ok())
        .ok_or_else(|| Refusal::invalid_argument("Illegal argument pageToken"))
}

#[cfg(test)]
mod tests {
    use super::super::Emulator;
    use super::super::testing::{Reply, emulator, get};
    use super::*;

    fn list(emulator: &Emulator, query: &str) -> Reply {
        let bearer = format!("Bearer {}", emulator.issue_iam_token("ajereader"));
        let path = format!("/iam/v1/serviceAccounts{query}");
        get(emulator, &path, &[("authorization", bearer.as_str())])
    }

    #[test]
    fn a_filter_is_a_quoted_name_and_nothing_else() {
        for filter in [r#"name="my-robot""#, r#"name = "my-robot""#, r#" name= "my-robot" "#] {
            assert_eq!(parse_filter(filter).unwrap(), "my-robot", "{filter}");
        }
        let wrong = [
            "name=my-robot",
            r#"name="My""#,
            r#"id="my-robot""#,
            r#"name="a" OR name="b""#,
            r#"name="x""#,
            r#"name=""#,
        ];
        for filter in wrong {
            assert!(parse_filter(filter).is_err(), "{filter}");
        }
    }

    #[test]
    fn a_name_is_found_in_its_folder() {
        let emulator = emulator();
        let robot = emulator.add_service_account("my-robot", "b1gfolder");
        emulator.add_service_account("my-robot", "b1gother");

        let query = "?folderId=b1gfolder&filter=name+%3D+%22my-robot%22&pageSize=1000";
        let found = list(&emulator, query).json();
        assert_eq!(found["serviceAccounts"].as_array().unwrap().len(), 1);
        assert_eq!(found["serviceAccounts"][0]["id"], robot.as_str());
        assert_eq!(found["serviceAccounts"][0]["status"], "ACTIVE");

        assert_eq!(list(&emulator, "?folderId=b1gempty").json(), json!({}));
        assert_eq!(list(&emulator, "").status, 400);
        assert_eq!(list(&emulator, &format!("/{robot}")).json()["name"], "my-robot");
        assert_eq!(list(&emulator, "/ajeunknown").status, 404);
        assert_eq!(get(&emulator, "/iam/v1/serviceAccounts?folderId=b1gfolder", &[]).status, 401);
    }

    #[test]
    fn pages_are_followed_to_the_end() {
        let emulator = emulator();
        for number in 0..5 {
            emulator.add_service_account(&format!("robot-{number}"), "b1gfolder");
        }
        let mut sizes = Vec::new();
        let mut token = String::new();
        loop {
            let page =
                list(&emulator, &format!("?folderId=b1gfolder&pageSize=2&pageToken={token}"))
                    .json();
            sizes.push(page["serviceAccounts"].as_array().unwrap().len());
            match page["nextPageToken"].as_str() {
                Some(next) => next.clone_into(&mut token),
                None => break,
            }
        }
        assert_eq!(sizes, [2, 2, 1]);
        assert_eq!(list(&emulator, "?folderId=b1gfolder&pageSize=1001").status, 400);
        assert_eq!(list(&emulator, "?folderId=b1gfolder&pageToken=x").status, 400);
    }
}
