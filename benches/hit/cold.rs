//! The cost of a run with nothing cached, over TLS: its system calls, its time compared with that of a minimal client,
//! and its round trips.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use yc_id_token_emulator::{Emulator, KeySize, Options};

use crate::Candidate;
use crate::place::{Place, private};
use crate::table::Table;
use crate::{counts, round_trips};

const RUNS: usize = 100;

const AUDIENCE: &str = "https://k8s.example";

/// Where Debian has the system's authorities, which the program reads too.
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Adds the rows about such a run.
pub(crate) fn measure(place: &Place, table: &mut Table) {
    let cold = Cold::new(place);
    let calls = cold.system_calls().map(|calls| calls.to_string());
    table.add("`token`, nothing cached, TLS: system calls", calls, "");
    cold.by_client(table);
    let trips = round_trips::count(&cold);
    let what = "`token`, nothing cached, TLS: round trips, by a network of 100 ms for each";
    table.add(what, Ok(trips), "4");
}

/// A cloud with TLS, and runs whose cache is empty.
pub(crate) struct Cold<'a> {
    place: &'a Place,
    pub(crate) cloud: Emulator,
    key: PathBuf,
    authority: PathBuf,
    cache: PathBuf,
}

impl<'a> Cold<'a> {
    fn new(place: &'a Place) -> Self {
        let cloud = Emulator::start_with(Options { tls: true, ..Options::default() }).unwrap();
        let account = cloud.add_service_account("robot", "b1gfolder");
        let key = cloud.add_authorized_key(&account, KeySize::Rsa2048);
        Self {
            key: private(&place.write("miss/key.json", &key.to_json())),
            authority: place.write("miss/ca.pem", cloud.ca_pem().unwrap()),
            cache: place.home.path().join("miss/cache"),
            place,
            cloud,
        }
    }

    /// IAM and the OAuth server have different addresses, as in the cloud, so each needs a connection.
    fn addresses(&self) -> [String; 2] {
        [self.cloud.url().to_owned(), self.cloud.url().replace("127.0.0.1", "localhost")]
    }

    /// A run, under a tool if one is given.
    pub(crate) fn command(&self, tool: &[&str], [iam, oauth]: &[String; 2]) -> Command {
        let program = self.place.program.to_str().unwrap();
        let arguments = [tool, &[program, "token", "--audience", AUDIENCE]].concat();
        let mut command = self.place.command(Path::new(arguments[0]), &arguments[1..]);
        command
            .env("XDG_CACHE_HOME", &self.cache)
            .env("YC_ID_TOKEN_KEY_FILE", &self.key)
            .env("YC_ID_TOKEN_CA_FILE", &self.authority)
            .env("YC_ID_TOKEN_IAM_ENDPOINT", iam)
            .env("YC_ID_TOKEN_OAUTH_ENDPOINT", oauth);
        command
    }

    pub(crate) fn empty_cache(&self) {
        let _ = fs::remove_dir_all(&self.cache);
    }

    fn system_calls(&self) -> Result<usize, String> {
        let trace = self.place.home.path().join("miss/trace");
        self.empty_cache();
        let tool = ["strace", "-f", "-o", trace.to_str().unwrap()];
        let status = self.command(&tool, &self.addresses()).status();
        status.map_err(|error| error.to_string())?.success().then_some(()).ok_or("it failed")?;
        Ok(counts::called(&fs::read_to_string(&trace).unwrap()).len())
    }

    /// Compares a run with a minimal client, which sends the same two requests.
    fn by_client(&self, table: &mut Table) {
        let addresses = self.addresses();
        let run = self.command(&[], &addresses);
        let mut candidates = [run, self.client(&addresses)].map(Candidate::new);
        for _ in 0..RUNS {
            self.empty_cache();
            candidates.iter_mut().for_each(Candidate::run);
        }
        let [run, client] = candidates.map(Candidate::times);
        table.add("`token`, nothing cached, TLS, wall", Ok(run.to_string()), "");
        let what = "`benches/client`, which signs and sends the same two requests, wall";
        table.add(what, Ok(client.to_string()), "");
        table.add("… `token` by that client", Ok(format!("{:.2}", run.by(&client))), "≤ 1.5");
    }

    /// The client, which trusts the same authorities. It is installed beside the program.
    fn client(&self, addresses: &[String; 2]) -> Command {
        let system = fs::read_to_string(BUNDLE).unwrap_or_default();
        let trusted = format!("{system}\n{}", self.cloud.ca_pem().unwrap());
        let trusted = self.place.write("miss/trusted.pem", &trusted);
        let mut command =
            self.place.command(&self.place.program.with_file_name("yc-id-token-bench-client"), &[]);
        command.arg(trusted).arg(&self.key).args(addresses).arg(AUDIENCE);
        command
    }
}
