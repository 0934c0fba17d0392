//! The state of the emulated cloud: service accounts and who may create tokens for them, authorized keys, valid IAM
//! tokens, and every secret that was received or sent.
//!
//! This file is independent of HTTP. Known from the vendor: the role `iam.serviceAccounts.tokenCreator` is needed even
//! for the account itself (third-party evidence), IAM tokens are opaque, an old token stays valid when a new one is
//! issued. Assumed: every change takes effect at once, where the real IAM takes seconds.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use time::OffsetDateTime;

use super::clock::{self, Clock};
use super::id_token::IdTokenVariant;
use super::random;

/// `subject_token_type` of a service account that is given by its ID. Specific to Yandex; seen in one public program.
pub(super) const SUBJECT_ID: &str = "urn:yandex-cloud:token-type:subject_id";

/// Shorter strings are not secrets of this cloud, and would be found by chance in any text.
const SHORTEST_SECRET: usize = 16;

/// The whole state that requests and tests change.
pub(super) struct Cloud {
    pub(super) clock: Clock,
    pub(super) id_token_life: Duration,
    pub(super) id_token_variant: IdTokenVariant,
    /// The account whose IAM tokens the metadata service returns.
    pub(super) attached_to_instance: Option<String>,
    /// Whether the metadata service names that account.
    pub(super) names_attached_account: bool,
    /// The `subject_token_type` of a service account that the exchange accepts.
    pub(super) subject_token_type: String,
    iam_token_life: Duration,
    /// In order of creation, which is the order of listing.
    service_accounts: Vec<ServiceAccount>,
    /// Pairs of a service account and a subject that may create tokens for it.
    token_creators: HashSet<(String, String)>,
    authorized_keys: HashMap<String, RegisteredKey>,
    iam_tokens: HashMap<String, IamToken>,
    folders: Vec<Folder>,
    /// OAuth tokens and the IDs of their owners.
    people: HashMap<String, String>,
    /// External JWTs and the service accounts they may act as.
    federated: HashSet<(String, String)>,
    secrets: BTreeSet<String>,
}

/// A service account.
#[derive(Clone)]
pub(super) struct ServiceAccount {
    pub(super) id: String,
    pub(super) folder_id: String,
    pub(super) name: String,
    pub(super) created_at: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) last_authenticated_at: Option<String>,
}

/// A folder.
#[derive(Clone)]
pub(super) struct Folder {
    pub(super) id: String,
    pub(super) cloud_id: String,
    pub(super) name: String,
}

/// The public half of an authorized key.
#[derive(Clone)]
pub(super) struct RegisteredKey {
    pub(super) service_account_id: String,
    pub(super) public_key: rsa::PublicKey,
}

/// A newly issued IAM token.
pub(super) struct IssuedIamToken {
    pub(super) token: String,
    pub(super) life: Duration,
    pub(super) expires_at: OffsetDateTime,
}

struct IamToken {
    subject_id: String,
    expires_at: OffsetDateTime,
}

impl Cloud {
    pub(super) fn new(id_token_life: Duration, iam_token_life: Duration) -> Self {
        Self {
            clock: Clock::default(),
            id_token_life,
            id_token_variant: IdTokenVariant::default(),
            attached_to_instance: None,
            names_attached_account: false,
            subject_token_type: SUBJECT_ID.to_owned(),
            iam_token_life,
            service_accounts: Vec::new(),
            token_creators: HashSet::new(),
            authorized_keys: HashMap::new(),
            iam_tokens: HashMap::new(),
            folders: Vec::new(),
            people: HashMap::new(),
            federated: HashSet::new(),
            secrets: BTreeSet::new(),
        }
    }

    /// Adds an account, which may create tokens for itself.
    pub(super) fn add_service_account(&mut self, name: &str, folder_id: &str) -> String {
        let id = random::resource_id();
        self.service_accounts.push(ServiceAccount {
            id: id.clone(),
            folder_id: folder_id.to_owned(),
            name: name.to_owned(),
            created_at: clock::rfc3339(self.clock.now()),
            labels: BTreeMap::new(),
            last_authenticated_at: None,
        });
        self.grant_token_creator(&id, &id);
        id
    }

    pub(super) fn label_service_account(&mut self, id: &str, name: &str, value: &str) {
        if let Some(account) = self.service_accounts.iter_mut().find(|account| account.id == id) {
            account.labels.insert(name.to_owned(), value.to_owned());
        }
    }

    /// Records that an account was used.
    pub(super) fn has_authenticated(&mut self, id: &str) {
        let now = clock::rfc3339(self.clock.now());
        if let Some(account) = self.service_accounts.iter_mut().find(|account| account.id == id) {
            account.last_authenticated_at = Some(now);
        }
    }

    pub(super) fn add_folder(&mut self, name: &str, cloud_id: &str) -> String {
        let id = random::folder_id();
        let folder =
            Folder { id: id.clone(), cloud_id: cloud_id.to_owned(), name: name.to_owned() };
        self.folders.push(folder);
        id
    }

    pub(super) fn folders_of<'a>(&'a self, cloud_id: &'a str) -> impl Iterator<Item = &'a Folder> {
        self.folders.iter().filter(move |folder| folder.cloud_id == cloud_id)
    }

    /// Returns the ID of the person.
    pub(super) fn add_person(&mut self, oauth_token: &str) -> String {
        let id = random::resource_id();
        self.people.insert(oauth_token.to_owned(), id.clone());
        self.keep_secret(oauth_token);
        id
    }

    pub(super) fn person(&self, oauth_token: &str) -> Option<&str> {
        self.people.get(oauth_token).map(String::as_str)
    }

    pub(super) fn service_account(&self, id: &str) -> Option<&ServiceAccount> {
        self.service_accounts.iter().find(|account| account.id == id)
    }

    pub(super) fn service_accounts_in<'a>(
        &'a self,
        folder_id: &'a str,
    ) -> impl Iterator<Item = &'a ServiceAccount> {
        self.service_accounts.iter().filter(move |account| account.folder_id == folder_id)
    }

    pub(super) fn grant_token_creator(&mut self, service_account_id: &str, subject_id: &str) {
        self.token_creators.insert((service_account_id.to_owned(), subject_id.to_owned()));
    }

    pub(super) fn revoke_token_creator(&mut self, service_account_id: &str, subject_id: &str) {
        self.token_creators.remove(&(service_account_id.to_owned(), subject_id.to_owned()));
    }

    pub(super) fn is_token_creator(&self, service_account_id: &str, subject_id: &str) -> bool {
        self.token_creators.contains(&(service_account_id.to_owned(), subject_id.to_owned()))
    }

    /// Returns the id of the key.
    pub(super) fn register_key(
        &mut self,
        service_account_id: &str,
        public_key: rsa::PublicKey,
    ) -> String {
        let id = random::resource_id();
        let service_account_id = service_account_id.to_owned();
        self.authorized_keys.insert(id.clone(), RegisteredKey { service_account_id, public_key });
        id
    }

    pub(super) fn authorized_key(&self, id: &str) -> Option<&RegisteredKey> {
        self.authorized_keys.get(id)
    }

    pub(super) fn revoke_key(&mut self, id: &str) {
        self.authorized_keys.remove(id);
    }

    pub(super) fn issue_iam_token(&mut self, subject_id: &str) -> IssuedIamToken {
        let token = random::iam_token();
        let expires_at = self.clock.after(self.iam_token_life);
        let subject_id = subject_id.to_owned();
        self.iam_tokens.insert(token.clone(), IamToken { subject_id, expires_at });
        self.keep_secret(&token);
        IssuedIamToken { token, life: self.iam_token_life, expires_at }
    }

    /// The subject of an IAM token, if it is valid.
    pub(super) fn subject_of(&self, iam_token: &str) -> Option<&str> {
        let known = self.iam_tokens.get(iam_token)?;
        (known.expires_at > self.clock.now()).then_some(known.subject_id.as_str())
    }

    /// Returns the subject of the token.
    pub(super) fn revoke_iam_token(&mut self, iam_token: &str) -> Option<String> {
        self.iam_tokens.remove(iam_token).map(|known| known.subject_id)
    }

    pub(super) fn revoke_iam_tokens(&mut self) {
        self.iam_tokens.clear();
    }

    /// Accepts exactly this external JWT for an IAM token of the account.
    pub(super) fn federate(&mut self, external_jwt: &str, service_account_id: &str) {
        self.federated.insert((external_jwt.to_owned(), service_account_id.to_owned()));
        self.keep_secret(external_jwt);
    }

    pub(super) fn is_federated(&self, external_jwt: &str, service_account_id: &str) -> bool {
        self.federated.contains(&(external_jwt.to_owned(), service_account_id.to_owned()))
    }

    pub(super) fn keep_secret(&mut self, secret: &str) {
        if secret.len() >= SHORTEST_SECRET && !self.secrets.contains(secret) {
            self.secrets.insert(secret.to_owned());
        }
    }

    pub(super) fn secrets(&self) -> Vec<String> {
        self.secrets.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn an_iam_token_ends_by_time_and_by_revocation() {
        let mut cloud = Cloud::new(HOUR, HOUR);
        let first = cloud.issue_iam_token("ajefirst").token;
        let second = cloud.issue_iam_token("ajesecond").token;
        assert_eq!(cloud.subject_of(&first), Some("ajefirst"));

        cloud.clock = Clock::shifted_by(3601);
        assert_eq!(cloud.subject_of(&first), None);
        cloud.clock = Clock::default();
        assert_eq!(cloud.revoke_iam_token(&first).as_deref(), Some("ajefirst"));
        assert_eq!(cloud.subject_of(&first), None);
        assert_eq!(cloud.subject_of(&second), Some("ajesecond"));
        assert!(cloud.secrets().contains(&first), "a revoked token is still no text for a log");
    }

    #[test]
    fn a_new_account_may_create_tokens_only_for_itself() {
        let mut cloud = Cloud::new(HOUR, HOUR);
        let one = cloud.add_service_account("one", "b1gfolder");
        let other = cloud.add_service_account("other", "b1gfolder");
        assert!(cloud.is_token_creator(&one, &one));
        assert!(!cloud.is_token_creator(&one, &other));
        cloud.grant_token_creator(&one, &other);
        assert!(cloud.is_token_creator(&one, &other));
        cloud.revoke_token_creator(&one, &one);
        assert!(!cloud.is_token_creator(&one, &one));
    }
}
