//! Counts the round trips of a run with nothing cached, by its time on a network where each takes 100 ms.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::cold::Cold;

const ROUND_TRIP: Duration = Duration::from_millis(100);

/// Other load on the machine adds to the time, so the fastest run counts.
const RUNS: usize = 5;

/// The number of round trips, and the time that it is derived from.
pub(crate) fn count(cold: &Cold<'_>) -> String {
    let addresses = [relay(cold.cloud.url()), relay(cold.cloud.url())];
    let fastest = (0..RUNS).map(|_| {
        cold.empty_cache();
        let mut command = cold.command(&[], &addresses);
        let start = Instant::now();
        assert!(command.status().unwrap().success());
        start.elapsed()
    });
    let fastest = fastest.min().unwrap();
    let trips = fastest.as_millis() / ROUND_TRIP.as_millis();
    format!("{trips} ({} ms)", fastest.as_millis())
}

/// Starts a relay to a server, which delays what it relays, and returns its address.
fn relay(url: &str) -> String {
    let server = url.strip_prefix("https://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
            // The kernel answers the handshake of TCP at once, so its round trip is added to what the client sends.
            let connected = Instant::now() + ROUND_TRIP;
            delay(client.try_clone().unwrap(), server.try_clone().unwrap(), connected);
            delay(server, client, Instant::now());
        }
    });
    address
}

/// Relays one direction. Everything arrives half a round trip after it was sent, and what is sent before `connected`
/// counts as sent then.
fn delay(mut from: TcpStream, mut to: TcpStream, connected: Instant) {
    let (sender, receiver) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let arrives = Instant::now().max(connected) + ROUND_TRIP / 2;
            if sender.send((arrives, buffer[..length].to_vec())).is_err() {
                return;
            }
        }
    });
    thread::spawn(move || {
        to.set_nodelay(true).unwrap();
        for (arrives, bytes) in receiver {
            thread::sleep(arrives.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                return;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}
