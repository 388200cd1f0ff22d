//! Any bytes as a database, as its log, and as what a database holds of a job and of a message: the state opens, and what
//! is new is kept.

use std::sync::LazyLock;

use slack_alert::id::JobName;
use slack_alert::message::Message;
use slack_alert::policy::Health;
use slack_alert::schedule::Saved;
use slack_alert::store::{JobState, OpenError, Store};

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a scratch folder"));

/// A sound database, whose parts the input takes the place of.
static SOUND: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let dir = FOLDER.path().join("sound");
    let now = "2026-01-05T00:00:00Z".parse().expect("a time");
    drop(Store::open_inline(&dir, now).expect("it opens"));
    std::fs::read(dir.join("state.db")).expect("it is there")
});

pub(crate) fn run(bytes: &[u8]) {
    let Some((&kind, rest)) = bytes.split_first() else { return };
    if kind % 4 == 3 {
        let _ = serde_json::from_slice::<Health>(rest);
        let _ = serde_json::from_slice::<Saved>(rest);
        let _ = serde_json::from_slice::<Message>(rest);
        return;
    }
    let dir = FOLDER.path().join("state");
    let _absent = std::fs::remove_dir_all(&dir);
    std::fs::create_dir(&dir).expect("a folder can be made");
    let database = match kind % 4 {
        0 => rest.to_vec(),
        // From any place on.
        1 => {
            let mut database = SOUND.clone();
            let at = rest.len().wrapping_mul(usize::from(kind)) % database.len();
            let end = (at + rest.len()).min(database.len());
            database[at..end].copy_from_slice(&rest[..end - at]);
            database
        }
        _ => {
            std::fs::write(dir.join("state.db-wal"), rest).expect("a file can be written");
            SOUND.clone()
        }
    };
    std::fs::write(dir.join("state.db"), database).expect("a file can be written");
    let now = "2026-01-05T00:00:00Z".parse().expect("a time");
    let (store, _) = match Store::open_inline(&dir, now) {
        // Bytes that say so are a database of a later version.
        Err(OpenError::Newer { .. }) => return,
        opened => opened.expect("a damaged state is no reason not to start"),
    };
    store.keep(None, Some((JobName::new("job"), JobState::default())));
}
