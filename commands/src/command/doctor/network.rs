//! The network: trusted authorities, the route to each server, the time of each step, and the servers' clocks.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use crate::clock::Offset;
use crate::env;
use crate::error::{Exit, Result, shown};
use crate::http::{Endpoint, Http, HttpRequest, Route, ServerOptions, Steps};
use crate::message;
use crate::source::{DISCOVERY, Endpoints, ServiceEndpoint};

use super::profile::ProfileCheck;
use super::report::Group;
use crate::foreign_text::{ForeignText, Message};

/// In seconds: a clock with a larger error is not synchronised.
const SKEW_WARNING: u64 = 5;

/// In seconds: with a larger error, servers reject tokens as expired or not yet valid.
const SKEW_ERROR: u64 = 60;

/// A server, and a public URL of it.
struct Server<'a> {
    name: &'static str,
    endpoint: &'a Endpoint,
    options: &'a ServerOptions,
    path: &'static str,
    query: &'a [(&'static str, &'static str)],
}

/// The result of checking a server.
struct Found {
    route: Result<Route>,
    /// The steps of a direct connection; a proxy does them itself.
    steps: Option<Steps>,
    offset: Result<Option<Offset>>,
}

pub(super) fn check(check: &ProfileCheck<'_>, group: &mut Group<'_>) {
    let checks = check.checks;
    let Some(settings) = &check.settings else { return };
    let (http, limit) = (checks.http(settings), checks.part());
    let usual = ServerOptions::default();
    // Without an identity, the servers are known from the settings.
    let endpoints = match &check.run {
        Some(session) => Some(session.source().endpoints.clone()),
        None => match Endpoints::from_settings(settings, None) {
            Ok(endpoints) => Some(endpoints),
            Err(error) => {
                group.error(&error);
                None
            }
        },
    };
    let mut servers = servers(check, endpoints.as_ref(), &usual);
    // Yandex Cloud's servers are not checked again for a profile with the same settings.
    let way = format!("{:?} {:?}", settings.ca_file, settings.proxy);
    let mut seen = checks.servers.borrow_mut();
    let earlier = seen.len();
    servers.retain(|server| {
        let server_by = (server.endpoint.as_str().to_owned(), way.clone());
        let is_usual = std::ptr::eq(server.options, &raw const usual);
        let is_new = !is_usual || !seen[..earlier].contains(&server_by);
        seen.push(server_by);
        is_new
    });
    drop(seen);
    if servers.is_empty() {
        return;
    }
    report_trust(check, &http, group);
    let work = async {
        let looks = servers.iter().map(|server| {
            let route =
                http.route(server.endpoint, server.options.proxy.as_ref(), check.context.env);
            look(server, route, &http, limit)
        });
        all(looks.collect()).await
    };
    let Some(found) = checks.wait("looking at the network", work) else { return };
    let mut clocks = Vec::new();
    for (server, found) in servers.iter().zip(found) {
        let offset = report_server(server, &found, group);
        clocks.extend(offset.map(|offset| (server.name, offset)));
    }
    // An earlier profile's servers may have sent the time.
    if !checks.has_time.replace(true) || !clocks.is_empty() {
        report_clock(&clocks, group);
    }
}

fn servers<'a>(
    check: &'a ProfileCheck<'_>,
    endpoints: Option<&'a Endpoints>,
    usual: &'a ServerOptions,
) -> Vec<Server<'a>> {
    let mut servers = Vec::new();
    if let Some(endpoints) = endpoints {
        let mut add = |name, endpoint, path| {
            servers.push(Server { name, endpoint, options: usual, path, query: &[] });
        };
        match &endpoints.iam {
            ServiceEndpoint::Known(iam) => add("IAM", iam, "/iam/v1/tokens"),
            ServiceEndpoint::PublishedBy(api, _) => add("the API endpoint", api, "/endpoints"),
        }
        if let Ok(oauth) = endpoints.oauth() {
            add("OAuth", oauth, DISCOVERY);
        }
    }
    let forecasts = check.forecasts.iter().filter_map(|(_, forecast)| forecast.as_ref().ok());
    servers.extend(forecasts.filter_map(|forecast| forecast.server.as_ref()).map(|server| {
        Server {
            name: server.name,
            endpoint: &server.endpoint,
            options: &server.options,
            path: server.public.path,
            query: server.public.query,
        }
    }));
    servers
}

async fn look(server: &Server<'_>, route: Result<Route>, http: &Http, limit: Duration) -> Found {
    let steps = match route {
        Ok(Route::Direct { .. }) => {
            http.steps(server.endpoint, server.options, limit / 2).await.ok()
        }
        Ok(Route::Proxy { .. }) | Err(_) => None,
    };
    let request = async {
        let what = message!("an answer from {}", server.name);
        let client = http.client_by(server.options, server.endpoint, &what)?;
        let request = HttpRequest { query: server.query, ..HttpRequest::get(&what, server.path) };
        Ok(client.send(&request).await?.clock_offset)
    };
    let offset = request.await;
    Found { route, steps, offset }
}

/// Reports on a server. Returns its clock, if it answered.
fn report_server(server: &Server<'_>, found: &Found, group: &mut Group<'_>) -> Option<Offset> {
    let route = match &found.route {
        Ok(route) => route,
        Err(error) => {
            group.error(error);
            return None;
        }
    };
    let way = route.described();
    match &found.offset {
        Ok(offset) => {
            let times = found.steps.as_ref().map(times).unwrap_or_default();
            let host = server.endpoint.host();
            group.good(message!(
                "{} at {host} answers{times}, {way}",
                server.name,
                host,
                times,
                way
            ));
            *offset
        }
        Err(error) => {
            group.error(error);
            if let Route::Proxy { .. } = route {
                group.warning(
                    message!("{} is called {way}", server.name, way),
                    "check whether the proxy lets it through",
                );
            }
            None
        }
    }
}

fn times(steps: &Steps) -> Message {
    let steps = [("name", steps.name), ("connection", steps.connection), ("TLS", steps.tls)];
    let told: Vec<Message> = steps
        .into_iter()
        .filter_map(|(step, took)| {
            Some(message!("{step} {:.1} ms", took?.as_secs_f64() * 1000.0, step))
        })
        .collect();
    if told.is_empty() { Message::default() } else { message!(" ({})", Message::join(&told, ", ")) }
}

fn report_trust(check: &ProfileCheck<'_>, http: &Http, group: &mut Group<'_>) {
    let env = check.context.env;
    let warnings = match http.trust(env) {
        Ok(warnings) => warnings,
        Err(error) => {
            group.error(&error);
            return;
        }
    };
    let mut trusted = Vec::new();
    let mut replaced = [env::SSL_CERT_FILE, env::SSL_CERT_DIR].into_iter();
    let replaced = replaced.find_map(|var| Some((var.name, env.get(var)?)));
    trusted.push(match replaced {
        Some((variable, place)) => {
            message!("those of {place} ({variable})", place = ForeignText::new(&place), variable)
        }
        None => "the system's".into(),
    });
    let extra = check.settings.as_ref().and_then(|settings| settings.ca_file.as_ref());
    trusted.extend(extra.map(|file| message!("those of {} ({})", shown(&file.value), file.origin)));
    group.good(message!("trusted certificate authorities: {}", Message::join(&trusted, " and ")));
    for warning in warnings {
        group.warning(warning, "replace the file with one whose certificates are complete");
    }
}

fn report_clock(clocks: &[(&'static str, Offset)], group: &mut Group<'_>) {
    let farthest = clocks.iter().max_by_key(|(_, offset)| offset.seconds().unsigned_abs());
    let Some((server, offset)) = farthest else {
        group.warning("the clock cannot be compared: no server sent the time", "see above");
        return;
    };
    let (seconds, off) = (offset.seconds().unsigned_abs(), offset.seconds());
    let text = message!(
        "the clock is {seconds} s {} that of {server}",
        if off > 0 { "behind" } else { "ahead of" },
        seconds,
        server
    );
    let fix =
        "synchronise it: `timedatectl set-ntp true`; servers check tokens by their own clocks";
    match seconds {
        0..=SKEW_WARNING => group.good(message!("the clock agrees with {server}", server)),
        _ if seconds > SKEW_ERROR => group.bad(Exit::Configuration, text, fix),
        _ => group.warning(text, fix),
    }
}

/// Waits for all of them concurrently.
pub(super) async fn all<T>(works: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut works: Vec<Pin<Box<_>>> = works.into_iter().map(Box::pin).collect();
    let mut results: Vec<Option<T>> = works.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (work, result) in works.iter_mut().zip(&mut results) {
            if result.is_none()
                && let Poll::Ready(ready) = work.as_mut().poll(context)
            {
                *result = Some(ready);
            }
        }
        if results.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    results.into_iter().flatten().collect()
}
