//! What it costs to look: the control socket, the page, metrics, and those who watch; and what the runs notice of it.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::service::{PATIENCE, Service, Setup, binary};
use super::{IDLE, Stamp, at, median, mib, say, settle};

/// So often is each answer asked for.
const ROUNDS: usize = 21;

/// Runs a second while a hundred watch.
const WATCHED: u32 = 10;

/// All lines but that of [`asleep`].
pub(crate) fn table() {
    answers();
    watchers();
    requests();
}

/// A configuration with a page, and the address of that.
fn with_page(setup: Setup) -> (Setup, String) {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("a bound socket").to_string();
    (setup.with(&format!("[http]\nlisten = \"{address}\"\n")), address)
}

/// The whole answer to one request on a connection of its own.
fn get(mut stream: impl Read + Write, path: &str) -> Vec<u8> {
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").expect("it is sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("there is an answer");
    assert!(
        answer.starts_with(b"HTTP/1.1 200 "),
        "{path}: {}",
        String::from_utf8_lossy(&answer[..200.min(answer.len())])
    );
    answer
}

/// Milliseconds of each of some rounds.
fn rounds(mut round: impl FnMut()) -> Vec<f64> {
    let mut once = || {
        let begun = Instant::now();
        round();
        begun.elapsed().as_secs_f64() * 1e3
    };
    (0..ROUNDS).map(|_| once()).collect()
}

/// Status, first page and metrics of ten thousand jobs.
fn answers() {
    let (setup, address) = with_page(Setup::new(10_000, |_| IDLE.to_owned()));
    let service = setup.start();
    settle(Duration::from_secs(3));
    let status = || {
        let mut command = Command::new(binary());
        command.args(["status", "--config", "slack_alert.toml"]).current_dir(setup.path());
        command.env_clear().env("RUNTIME_DIRECTORY", setup.path().join("run")).stdout(Stdio::null());
        assert!(command.status().expect("it starts").success());
    };
    say("`slack-alert status` of 10,000 jobs", &format!("{:.1} ms", median(rounds(status))), "50 ms");
    let before = service.status("VmRSS");
    let connect = || TcpStream::connect(&address).expect("the page is served");
    let page = median(rounds(|| drop(get(connect(), "/"))));
    let more = service.status("VmRSS").saturating_sub(before);
    say("first page of 10,000 jobs", &format!("{page:.1} ms"), "30 ms");
    say("  more memory", &mib(more), "4 MiB");
    let scrape = median(rounds(|| drop(get(connect(), "/metrics"))));
    let length = get(connect(), "/metrics").len();
    say("a scrape of 10,000 jobs", &format!("{scrape:.1} ms"), "100 ms");
    println!("  ({:.1} MiB of text)", length as f64 / f64::from(1 << 20));
    service.stop();
}

/// What a hundred clients cost that wait for events, at ten runs a second.
fn watchers() {
    let schedule = format!("every = \"1s\"\njitter = \"{}ms\"\n", 1_000 - 1_000 / WATCHED);
    let (setup, address) =
        with_page(Setup::new(WATCHED as usize, |_| format!("command = [\"/bin/true\"]\n{schedule}")));
    let time = Duration::from_secs(10);
    let cpu = |service: &Service| {
        let before = service.cpu();
        settle(time);
        (service.cpu() - before).as_secs_f64() / time.as_secs_f64() * 100.0
    };
    let service = setup.start();
    settle(Duration::from_secs(3));
    let alone = cpu(&service);
    let mut clients: Vec<TcpStream> = (0..100).map(|_| watch(&address)).collect();
    let done = AtomicBool::new(false);
    let (watched, events) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut events = 0;
            while !done.load(Ordering::Relaxed) {
                events += clients.iter_mut().map(drain).sum::<usize>();
                settle(Duration::from_millis(50));
            }
            events
        });
        let watched = cpu(&service);
        done.store(true, Ordering::Relaxed);
        (watched, reader.join().expect("it ends"))
    });
    service.stop();
    say("100 clients that wait for events, 10 runs a second", &format!("{:.2} %", watched - alone), "1 %");
    println!("  ({alone:.2} % of a core without them, {watched:.2} % with; {events} events)");
}

fn watch(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("the page is served");
    stream.write_all(b"GET /api/v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n").expect("it is sent");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut head = [0; 15];
    stream.read_exact(&mut head).expect("an answer");
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    stream.set_nonblocking(true).expect("a socket");
    stream
}

/// Events that have come.
fn drain(stream: &mut TcpStream) -> usize {
    let mut bytes = [0; 4096];
    match stream.read(&mut bytes) {
        Ok(0) => panic!("a client was turned away"),
        Ok(length) => bytes[..length].windows(8).filter(|part| part == b"changed\n").count(),
        Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
        Err(error) => panic!("a client has lost its connection: {error}"),
    }
}

/// How late runs are while a thousand requests come in each second, beside the same without them.
fn requests() {
    let stamp = Stamp::new();
    let setup = Setup::new(100, |_| stamp.job("every = \"1s\"\njitter = \"999ms\"\n"));
    let mut late = [Vec::new(), Vec::new()];
    let mut asked = Vec::new();
    for (asks, late) in [false, true].into_iter().zip(&mut late) {
        setup.forget();
        stamp.forget();
        let service = setup.start();
        let done = AtomicBool::new(!asks);
        std::thread::scope(|scope| {
            let asker = scope.spawn(|| ask_until(&setup, &done));
            stamp.wait_for(1_600);
            done.store(true, Ordering::Relaxed);
            asked.push(asker.join().expect("it ends"));
        });
        service.stop();
        late.extend(stamp.late().split_off(100));
    }
    let [mut without, mut with] = late;
    let p99 = [at(&mut without, 0.99) * 1e3, at(&mut with, 0.99) * 1e3];
    say("lateness at 1,000 requests a second, p99", &format!("{:.1} ms", p99[1]), "3 ms");
    println!("  ({:.1} ms without them; {:.0} requests a second were answered)", p99[0], asked[1]);
}

/// Asks for the status a thousand times a second on one connection; the answer is how often it was answered.
fn ask_until(setup: &Setup, done: &AtomicBool) -> f64 {
    let mut stream = UnixStream::connect(setup.path().join("run/control.sock")).expect("the daemon listens");
    let (begun, mut count) = (Instant::now(), 0_u32);
    let mut bytes = vec![0; 1 << 16];
    while !done.load(Ordering::Relaxed) {
        stream.write_all(b"GET /api/v1/status HTTP/1.1\r\nhost: l\r\n\r\n").expect("it is sent");
        let mut length = 0;
        while !is_whole(&bytes[..length]) {
            length += stream.read(&mut bytes[length..]).expect("an answer");
        }
        count += 1;
        let next = begun + Duration::from_millis(1) * count;
        settle(next.saturating_duration_since(Instant::now()));
    }
    f64::from(count) / begun.elapsed().as_secs_f64()
}

fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.and_then(|length| length.parse().ok()).is_some_and(|length: usize| body.len() >= length)
}

/// A daemon with a socket and a page, and nobody who asks.
pub(crate) fn asleep() {
    let (setup, address) = with_page(Setup::new(1_000, |_| IDLE.to_owned()));
    let service = setup.start();
    // Somebody has looked, and is gone.
    let connected = (0..100).find_map(|_| {
        settle(Duration::from_millis(20));
        TcpStream::connect(&address).ok()
    });
    drop(get(connected.expect("the page is served"), "/"));
    settle(Duration::from_secs(75));
    let (wakes, cpu) = (service.wakes(), service.cpu());
    settle(Duration::from_secs(30));
    let (wakes, cpu) = (service.wakes() - wakes, (service.cpu() - cpu).as_secs_f64() * 1e3);
    service.stop();
    say("wakes in 30 s of a daemon with a socket and a page", &wakes.to_string(), "0");
    println!("  ({cpu:.1} ms of CPU)");
}
