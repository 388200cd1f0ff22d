//! Logs to journald, as entries with fields: `journalctl -u slack-alert JOB=disk`.
//!
//! Before it: `logs`, which chooses this when stderr is the journal. After it: journald's own socket, in its native
//! protocol (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>). The message carries the fields as text too, since plain
//! `journalctl` shows nothing else. An entry that is too long for a datagram goes as a sealed memory file. One that cannot
//! be sent is lost, as a line on a broken stderr would be: nothing waits for the journal.
//!
//! The crate tracing-journald is not used, since its `MESSAGE` has no fields: plain `journalctl` would show `failed` without the
//! job.

use std::fmt::{self, Write};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fstat, memfd_create};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, sendmsg_addr};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Where journald listens.
pub const SOCKET: &str = "/run/systemd/journal/socket";

/// The longest value of one field, in bytes: what is behind it is cut, so that no entry is without bounds.
const LONGEST_VALUE: usize = 1024 * 1024;

/// A layer that sends every event to journald.
#[derive(Debug)]
pub struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
}

/// Whether stderr is connected to the journal: systemd puts the device and inode of its stream into JOURNAL_STREAM
/// (systemd.exec(5)), and a later redirection makes them differ.
pub fn is_stderr(stream: Option<&str>) -> bool {
    let Some((device, inode)) = stream.and_then(|stream| stream.split_once(':')) else { return false };
    let Ok(found) = fstat(rustix::stdio::stderr()) else { return false };
    device.parse() == Ok(found.st_dev) && inode.parse() == Ok(found.st_ino)
}

impl Journal {
    /// A layer that sends to the journald behind this socket.
    ///
    /// # Errors
    /// Nobody listens there.
    #[expect(clippy::disallowed_methods, reason = "the door of the journal")]
    pub fn connect(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        // Nothing, which journald takes and throws away, tells whether it is there.
        socket.send_to(&[], path)?;
        Ok(Self { socket, path: path.to_owned() })
    }

    fn send(&self, entry: &[u8]) -> io::Result<()> {
        match self.socket.send_to(entry, &self.path) {
            // Longer than the socket's buffer, or than what the kernel has in one piece now.
            Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::MSGSIZE | Errno::NOBUFS)) => {
                self.send_file(entry)
            }
            sent => sent.map(drop),
        }
    }

    /// The entry as a file without a name, handed over by its descriptor; sealed, since journald takes no other.
    fn send_file(&self, entry: &[u8]) -> io::Result<()> {
        let file = memfd_create("slack-alert", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        let mut rest = entry;
        while !rest.is_empty() {
            rest = &rest[rustix::io::write(&file, rest)?..];
        }
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let files = [file.as_fd()];
        control.push(SendAncillaryMessage::ScmRights(&files));
        let address = SocketAddrUnix::new(&self.path)?;
        sendmsg_addr(&self.socket, &address, &[], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut entry = Entry::default();
        entry.field("SYSLOG_IDENTIFIER", "slack-alert");
        entry.field("PRIORITY", priority(*metadata.level()));
        entry.field("TARGET", metadata.target());
        event.record(&mut entry);
        let message = format!("{}{}", entry.message, entry.told);
        entry.field("MESSAGE", &message);
        let _ = self.send(&entry.bytes);
    }
}

/// The level as syslog(3) counts: `journalctl -p warning` shows warnings and errors.
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        Level::DEBUG | Level::TRACE => "7",
    }
}

/// An entry under construction.
#[derive(Default)]
struct Entry {
    bytes: Vec<u8>,
    /// The event's own words.
    message: String,
    /// The fields, as they are shown behind the message.
    told: String,
}

impl Entry {
    /// One field, with its length, so that a value may hold line breaks.
    fn field(&mut self, name: &str, value: &str) {
        let whole = value.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= LONGEST_VALUE);
        let value = &value.as_bytes()[..whole.last().unwrap_or(0)];
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(b'\n');
        self.bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.push(b'\n');
    }

    fn value(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
            return;
        }
        // Writing into a string cannot fail.
        let _ = match value.contains([' ', '\n', '"']) {
            true => write!(self.told, " {}={value:?}", field.name()),
            false => write!(self.told, " {}={value}", field.name()),
        };
        self.field(&name(field.name()), value);
    }
}

impl Visit for Entry {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.value(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.value(field, &format!("{value:?}"));
    }
}

/// A name that journald takes: letters in upper case, digits and underscores, not beginning with the last two, which are
/// its own (systemd.journal-fields(7)).
fn name(field: &str) -> String {
    let upper = field.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    upper.skip_while(|c| !c.is_ascii_alphabetic()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use std::io::IoSliceMut;

    use rustix::fs::fcntl_get_seals;
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// What journald hears of one event: its fields in order, and whether they came in a file.
    #[expect(clippy::disallowed_methods, reason = "a test is the journal")]
    fn hears(tell: impl FnOnce()) -> (Vec<(String, String)>, bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let journald = UnixDatagram::bind(&path).unwrap();
        journald.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        let journal = Journal::connect(&path).unwrap();
        let mut buffer = vec![0; 1024 * 1024];
        assert_eq!(journald.recv(&mut buffer).unwrap(), 0, "the question whether it is there");
        tracing::subscriber::with_default(tracing_subscriber::registry().with(journal), tell);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let (length, file) = {
            let mut parts = [IoSliceMut::new(&mut buffer)];
            let heard = recvmsg(&journald, &mut parts, &mut control, RecvFlags::empty()).unwrap();
            let file = control.drain().find_map(|message| match message {
                RecvAncillaryMessage::ScmRights(mut files) => files.next(),
                _ => None,
            });
            (heard.bytes, file)
        };
        let Some(file) = file else { return (fields(&buffer[..length]), false) };
        assert_eq!(length, 0, "all is in the file");
        assert_eq!(
            fcntl_get_seals(&file).unwrap(),
            SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL,
            "journald takes no file that can still change"
        );
        let mut entry = vec![0; usize::try_from(fstat(&file).unwrap().st_size).unwrap()];
        assert_eq!(rustix::io::pread(&file, &mut entry, 0).unwrap(), entry.len());
        (fields(&entry), true)
    }

    /// An entry, taken apart as journald does it.
    fn fields(mut rest: &[u8]) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (name, after) = (&rest[..end], &rest[end + 1..]);
            let (size, after) = after.split_at(8);
            let size = usize::try_from(u64::from_le_bytes(size.try_into().unwrap())).unwrap();
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            fields.push((text(name), text(&after[..size])));
            assert_eq!(after[size], b'\n');
            rest = &after[size + 1..];
        }
        fields
    }

    fn find<'f>(fields: &'f [(String, String)], name: &str) -> &'f str {
        fields.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    #[test]
    fn an_event_is_an_entry_whose_fields_can_be_asked_for_and_whose_message_says_it_all() {
        let job = "db/backup";
        let (fields, in_file) = hears(|| tracing::warn!(%job, run = 17, exit = 2, why = "no space\nleft", "failed"));
        assert!(!in_file);
        assert_eq!(find(&fields, "MESSAGE"), "failed job=db/backup run=17 exit=2 why=\"no space\\nleft\"");
        assert_eq!(find(&fields, "PRIORITY"), "4");
        assert_eq!(find(&fields, "JOB"), "db/backup");
        assert_eq!(find(&fields, "RUN"), "17");
        assert_eq!(find(&fields, "EXIT"), "2");
        assert_eq!(find(&fields, "WHY"), "no space\nleft", "a field keeps its lines");
        assert_eq!(find(&fields, "SYSLOG_IDENTIFIER"), "slack-alert");
    }

    #[test]
    fn a_value_cannot_forge_a_field() {
        let (fields, _) = hears(|| tracing::info!(job = "x\nPRIORITY=0\n", "hello"));
        assert_eq!(fields.iter().filter(|(name, _)| name == "PRIORITY").count(), 1);
    }

    #[test]
    fn an_entry_too_long_for_a_datagram_comes_whole_in_a_file_and_a_value_without_end_is_cut() {
        let long = "ä".repeat(200_000);
        let (fields, in_file) = hears(|| tracing::info!(long, "hello"));
        assert!(in_file);
        assert_eq!(find(&fields, "LONG"), long);
        assert_eq!(find(&fields, "MESSAGE"), format!("hello long={long}"));
        let endless = "ä".repeat(LONGEST_VALUE);
        let (fields, in_file) = hears(|| tracing::info!(endless, "hello"));
        assert!(in_file);
        assert_eq!(find(&fields, "ENDLESS").len(), LONGEST_VALUE);
        assert!(find(&fields, "MESSAGE").len() <= LONGEST_VALUE);
    }

    #[test]
    fn names_are_those_that_journald_takes() {
        assert_eq!(name("job"), "JOB");
        assert_eq!(name("took.ms"), "TOOK_MS");
        assert_eq!(name("_2nd"), "ND");
    }

    #[test]
    fn a_journal_that_is_not_there_is_an_error_and_a_redirected_stderr_is_not_the_journal() {
        assert!(Journal::connect(Path::new("/nowhere/at/all")).is_err());
        let here = fstat(rustix::stdio::stderr()).unwrap();
        assert!(is_stderr(Some(&format!("{}:{}", here.st_dev, here.st_ino))));
        for other in [None, Some(""), Some("0:0"), Some("8"), Some("8:x")] {
            assert!(!is_stderr(other), "{other:?}");
        }
    }
}
