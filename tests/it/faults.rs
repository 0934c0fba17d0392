//! Faults of the machine itself: killed processes, failing system calls, file systems without locks. A token is still
//! returned, the cache stays intact, and no process waits forever.
//!
//! Each test prints its measurements (`tests/run faults -- --nocapture`), for the table in `docs/reliability.md`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use yc_id_token::cache::{Cache, EntryMetadata, FileCache, Key};
use yc_id_token::clock::{Clock, Offset};
use yc_id_token::credential::{Credential, IdToken, Lifetime, Secret};
use yc_id_token_emulator::{Fault, Route};

use crate::sandbox::{Outcome, PROGRAM, Sandbox, claims, eventually};

const TOKEN: &[&str] = &["token", "--audience", "k8s"];

#[track_caller]
fn assert_is_token(sandbox: &Sandbox, outcome: Outcome) {
    let token = outcome.ok();
    let claims = claims(token.trim());
    assert_eq!(claims["sub"], sandbox.account.as_str());
    assert_eq!(claims["aud"], "k8s");
}

/// A token valid for an hour.
fn token(text: &str) -> Credential<IdToken> {
    let now = Clock::System.now();
    let expires_at = now.at.plus(Duration::from_secs(3600));
    let lifetime = Lifetime::new(now, expires_at, Offset::default());
    Credential { secret: IdToken(Secret::new(text.to_owned())), lifetime }
}

#[test]
fn a_thousand_kills_leave_no_bad_entry_and_no_stale_lock() {
    const KILLS: u32 = 1000;
    let sandbox = Sandbox::new();
    let whole = Instant::now();
    assert_is_token(&sandbox, sandbox.run(TOKEN));
    let whole = whole.elapsed();
    let done = AtomicBool::new(false);
    let reads = AtomicUsize::new(0);
    let read = || {
        while !done.load(Ordering::Relaxed) {
            let output = sandbox.command(TOKEN).output().unwrap();
            assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
            let token = String::from_utf8(output.stdout).unwrap();
            assert_eq!(claims(token.trim())["sub"], sandbox.account.as_str());
            reads.fetch_add(1, Ordering::Relaxed);
        }
    };
    let (sandbox, read) = (&sandbox, &read);
    std::thread::scope(|scope| {
        let reader = scope.spawn(read);
        for number in 0..KILLS {
            let mut command = sandbox.command(&[TOKEN, &["--force-refresh"]].concat());
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            // Spread over the whole duration of a run, in steps that do not repeat.
            let point = whole * (number * 617 % 1000) / 1000;
            let begin = Instant::now();
            while begin.elapsed() < point {
                std::hint::spin_loop();
            }
            child.kill().unwrap();
            child.wait().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
    let impatient = [TOKEN, &["--force-refresh", "--timeout=10s"]].concat();
    assert_is_token(sandbox, sandbox.run(&impatient));
    let unfinished = fs::read_dir(sandbox.cache_folder()).unwrap().filter(|entry| {
        entry.as_ref().unwrap().file_name().to_str().unwrap().starts_with(".yc-id-token-")
    });
    println!(
        "{KILLS} kills within {whole:?} of a start, {} reads beside them: none failed, no lock was left; {} temporary files for the next sweep",
        reads.into_inner(),
        unfinished.count()
    );
}

#[test]
fn a_hundred_thousand_concurrent_reads_are_complete_and_correct() {
    const READS: usize = 100_000;
    let folder = tempfile::tempdir().unwrap();
    let key = |audience: &str| Key::of("id-token").with("audience", audience).build();
    let token = |audience: &str, number: usize| {
        token(&format!("{audience}.{}.{number}", "x".repeat(number % 3000)))
    };
    let cache = || Cache::File(FileCache::new(folder.path().join("cache"), None));
    for audience in ["a", "b"] {
        cache().put(&key(audience), &token(audience, 0), &EntryMetadata::default()).unwrap();
    }
    let done = AtomicBool::new(false);
    let writes = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for audience in ["a", "b"] {
            let (done, writes) = (&done, &writes);
            scope.spawn(move || {
                for number in 0.. {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    cache()
                        .put(&key(audience), &token(audience, number), &EntryMetadata::default())
                        .unwrap();
                    writes.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for number in 0..READS {
            let audience = if number % 2 == 0 { "a" } else { "b" };
            let read: Option<Credential<IdToken>> = cache().get(&key(audience)).unwrap();
            let read = read.expect("there is always a whole entry");
            assert!(read.secret.0.expose().starts_with(&format!("{audience}.")));
        }
        done.store(true, Ordering::Relaxed);
    });
    println!(
        "{READS} reads beside {} writes: none torn, none of another audience",
        writes.into_inner()
    );
}

#[test]
fn an_entry_damaged_at_any_byte_is_not_used_and_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::File(FileCache::new(folder.path().into(), None));
    let key = Key::of("id-token").with("audience", "k8s").build();
    let token = token(&"x".repeat(900));
    cache.put(&key, &token, &EntryMetadata::default()).unwrap();
    let path = folder.path().join(format!("{}.v1", key.name()));
    let whole = fs::read(&path).unwrap();
    let is_used = || cache.get::<IdToken>(&key).unwrap().is_some();
    assert!(is_used());
    for at in 0..whole.len() {
        fs::write(&path, &whole[..at]).unwrap();
        assert!(!is_used(), "cut at {at}");
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(&path, flipped).unwrap();
        assert!(!is_used(), "flipped at {at}");
    }
    cache.put(&key, &token, &EntryMetadata::default()).unwrap();
    assert!(is_used(), "repaired");
    println!("an entry of {} bytes, cut and flipped at each: never used", whole.len());
}

/// The program under `strace`, which records system calls or makes them fail.
fn strace(sandbox: &Sandbox, options: &[&str], arguments: &[&str]) -> Command {
    let mut command = sandbox.other_command("strace");
    command.arg("-f").args(options).arg(PROGRAM).args(TOKEN).args(arguments);
    command
}

/// The calls in a trace: `PID NAME(ARGUMENTS…`, without the second halves of interrupted ones.
fn calls(trace: &str) -> impl Iterator<Item = (&str, &str)> {
    let calls = trace.lines().filter_map(|line| line.split_once(' ')?.1.split_once('('));
    calls.map(|(name, rest)| (name.trim(), rest)).filter(|(name, _)| !name.contains(['<', ' ']))
}

/// The system calls of a run on the cache: each name with its index among calls of that name.
fn calls_on_the_cache(sandbox: &Sandbox) -> Vec<(String, usize)> {
    let trace = sandbox.home().join("trace");
    let output = strace(sandbox, &["-y", "-o", trace.to_str().unwrap()], &[]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let folder = sandbox.cache_folder().display().to_string();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut on_the_cache = Vec::new();
    let text = fs::read_to_string(&trace).unwrap();
    for (name, rest) in calls(&text) {
        let count = counts.entry(name).or_default();
        *count += 1;
        if rest.contains(&folder) {
            on_the_cache.push((name.to_owned(), *count));
        }
    }
    on_the_cache
}

/// Runs the program on an empty cache with one of these system calls failing, and again if the failing call was another
/// one.
fn with_failing(sandbox: &Sandbox, name: &str, nth: usize, error: &str) -> Outcome {
    let trace = sandbox.home().join("trace");
    let folder = sandbox.cache_folder().display().to_string();
    let inject = format!("inject={name}:error={error}:when={nth}");
    let options = ["-y", "-o", trace.to_str().unwrap(), "-e", &inject];
    for _ in 0..20 {
        let _ = fs::remove_dir_all(sandbox.home().join(".cache"));
        let outcome = sandbox.finish(strace(sandbox, &options, &[]));
        let text = fs::read_to_string(&trace).unwrap();
        if calls(&text).any(|(_, rest)| rest.contains("(INJECTED)") && rest.contains(&folder)) {
            return outcome;
        }
    }
    panic!("{name} {nth} is never on the cache");
}

#[test]
fn a_cached_credential_is_not_synced_and_a_file_for_others_is() {
    let sandbox = Sandbox::new();
    let trace = sandbox.home().join("trace");
    let syncs = |arguments: &[&str]| {
        let mut command = sandbox.other_command("strace");
        command.args(["-f", "-e", "trace=fsync,fdatasync,sync_file_range,syncfs", "-o"]);
        sandbox
            .finish({
                command.arg(&trace).arg(PROGRAM).args(arguments);
                command
            })
            .ok();
        calls(&fs::read_to_string(&trace).unwrap()).count()
    };
    assert_eq!(syncs(TOKEN), 0, "nothing is cached");
    assert_eq!(sandbox.entries("").len(), 2);
    let output = sandbox.home().join("token");
    sandbox.may_hold_secrets(&output);
    assert!(syncs(&[TOKEN, &["--output", output.to_str().unwrap()]].concat()) > 0);
    let role = "--role-arn=arn:aws:iam::123456789012:role/robot";
    assert!(syncs(&["setup", "aws", role, "--region=eu", "--offline", "--apply"]) > 0);
}

#[test]
fn any_failing_system_call_on_the_cache_still_gives_a_token() {
    let mut sandbox = Sandbox::new();
    // The log would be a file that fails too, and the trace contains the written secrets.
    sandbox.unset("YC_ID_TOKEN_LOG_FILE");
    sandbox.set("YC_ID_TOKEN_VERBOSE", "0");
    sandbox.may_hold_secrets(&sandbox.home().join("trace"));
    let calls = calls_on_the_cache(&sandbox);
    assert!(calls.len() > 20, "{calls:?}");
    let mut injected = 0;
    for (name, nth) in &calls {
        for error in ["ENOSPC", "EROFS", "EACCES", "EIO", "EMFILE"] {
            let outcome = with_failing(&sandbox, name, *nth, error);
            assert!(
                outcome.status.success() && outcome.stderr.is_empty(),
                "{name} {nth}, {error}: {outcome:?}"
            );
            assert_is_token(&sandbox, outcome);
            injected += 1;
        }
        // With all that the failed run left behind, and no more failures.
        assert_is_token(&sandbox, sandbox.run(TOKEN));
        let requested = sandbox.cloud.count(Route::TokenExchange);
        assert_is_token(&sandbox, sandbox.run(TOKEN));
        assert_eq!(
            sandbox.cloud.count(Route::TokenExchange),
            requested,
            "{name} {nth}: it is cached"
        );
    }
    println!("{} system calls on the cache, {injected} failures: a token each time", calls.len());
}

#[test]
fn an_outage_of_45_minutes_fails_no_run() {
    let sandbox = Sandbox::new();
    assert_is_token(&sandbox, sandbox.run(TOKEN));
    let minute = Duration::from_secs(60);
    sandbox.age("id-token", 10 * minute);
    sandbox.cloud.always(Route::IamToken, Some(Fault::Status(503)));
    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Reset));
    let mut calls = 0;
    for _ in 0..45 {
        sandbox.age("id-token", minute);
        for _ in 0..4 {
            assert_is_token(&sandbox, sandbox.run(TOKEN));
            calls += 1;
        }
    }
    sandbox.cloud.always(Route::IamToken, None);
    sandbox.cloud.always(Route::TokenExchange, None);
    // Four minutes before the old token expires.
    sandbox.age("id-token", minute);
    let force = [TOKEN, &["--force-refresh"]].concat();
    assert_is_token(&sandbox, sandbox.run(&force));
    println!("45 minutes without the issuer, {calls} calls: all answered");
}

#[test]
fn locks_that_could_hang_are_taken_in_another_folder() {
    let mut sandbox = Sandbox::new();
    let runtime = sandbox.home().join("run");
    fs::create_dir(&runtime).unwrap();
    fs::set_permissions(&runtime, fs::Permissions::from_mode(0o700)).unwrap();
    let nfs = "inject=statfs:poke_exit=@arg2=6969000000000000";
    let options = ["-o", "/dev/null", "-e", nfs];
    let locks = |sandbox: &Sandbox| -> Vec<String> {
        let mut locks = Vec::new();
        for folder in [sandbox.cache_folder(), runtime.join("yc-id-token")] {
            for entry in fs::read_dir(&folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|extension| extension == "lock") {
                    locks.push(path.parent().unwrap().display().to_string());
                }
            }
        }
        locks.dedup();
        locks
    };
    // Without a local folder for locks, every process fetches for itself.
    assert_is_token(&sandbox, sandbox.finish(strace(&sandbox, &options, &[])));
    assert_eq!(locks(&sandbox), Vec::<String>::new());

    sandbox.set("XDG_RUNTIME_DIR", runtime.clone());
    assert_is_token(&sandbox, sandbox.finish(strace(&sandbox, &options, &["--force-refresh"])));
    assert_eq!(locks(&sandbox), [runtime.join("yc-id-token").display().to_string()]);
}

#[test]
fn a_lock_that_cannot_be_taken_does_not_block_the_token() {
    let sandbox = Sandbox::new();
    let options = ["-o", "/dev/null", "-e", "inject=flock:error=ENOLCK"];
    assert_is_token(&sandbox, sandbox.finish(strace(&sandbox, &options, &[])));
}

#[test]
fn two_versions_of_the_program_can_share_a_folder() {
    let sandbox = Sandbox::new();
    assert_is_token(&sandbox, sandbox.run(TOKEN));
    let [entry] = &sandbox.entries("id-token")[..] else { panic!("one entry") };
    let others = ["v0", "v2", "v2.failure"].map(|extension| entry.with_extension(extension));
    for other in &others {
        fs::write(other, "of another version").unwrap();
        fs::set_permissions(other, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let requested = sandbox.cloud.count(Route::TokenExchange);
    assert_is_token(&sandbox, sandbox.run(TOKEN));
    assert_eq!(sandbox.cloud.count(Route::TokenExchange), requested);
    assert_is_token(&sandbox, sandbox.run(&[TOKEN, &["--force-refresh"]].concat()));
    for other in &others {
        assert_eq!(fs::read_to_string(other).unwrap(), "of another version");
    }
    // They fetch one at a time, because the other version holds the lock that both use.
    let lock = fs::File::open(entry.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    let mut command = sandbox.command(&[TOKEN, &["--force-refresh"]].concat());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("it waits", || sandbox.log().matches("identity: ").count() == 4);
    lock.unlock().unwrap();
    assert_is_token(&sandbox, sandbox.outcome(child));
}
