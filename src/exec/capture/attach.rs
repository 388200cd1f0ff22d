//! [fs] The file that a directive names (`attach=PATH`): read below the command's folder and nowhere else.
//!
//! Before it: a path that a script wrote. After it: its bytes, at most [`LARGEST`], or a sentence that says why not.
//!
//! The daemon may be allowed to read what the job is not. So the way to the file leads down from `working_dir` step by
//! step, through no symbolic link and no `..`; and where the job runs as another user, the file must be that user's or
//! everybody's to read. Read in place, as `env_file` is: a plain file of 1 MiB.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use rustix::fs::{FileType, Mode, OFlags, fstat, open, openat};

use super::redact::Redactor;
use crate::exec::account;
use crate::exec::os::plain;
use crate::exec::outcome::File;

/// More of a file is not attached.
const LARGEST: usize = 1 << 20;

/// Others may read it (stat(2), `S_IROTH`).
const OTHERS_READ: u32 = 0o004;

/// Whose file it may be.
#[derive(Clone, Copy, Debug)]
pub(in crate::exec) struct Place<'a> {
    /// The command's `working_dir`.
    pub(in crate::exec) folder: &'a Path,
    /// The user that the command runs as, where it is not the daemon's.
    pub(in crate::exec) user: Option<&'a str>,
}

/// Reads the file that a directive names.
pub(in crate::exec) fn read(place: Place<'_>, redactor: &Redactor, name: &str) -> Result<File, String> {
    let bytes = fetch(place, name).map_err(|why| format!("{name} is not attached: {why}"))?;
    let last = Path::new(name).file_name().map_or_else(|| "file".into(), |name| name.to_string_lossy());
    let (text, more) = match bytes.len() > LARGEST {
        true => (&bytes[..LARGEST], "\n[… the rest of the file is left out: more than 1 MiB is not attached …]\n"),
        false => (&bytes[..], ""),
    };
    let mut content = redactor.mask(text).into_owned();
    content.extend_from_slice(more.as_bytes());
    Ok(File { name: redactor.mask_str(&last).chars().take(100).collect(), content })
}

fn fetch(place: Place<'_>, name: &str) -> Result<Vec<u8>, String> {
    let file = walk(place.folder, Path::new(name))?;
    let stat = fstat(&file).map_err(|error| plain(&error.into()))?;
    if !FileType::from_raw_mode(stat.st_mode).is_file() {
        return Err("it is not a plain file".to_owned());
    }
    if let Some(user) = place.user {
        let own = account::user(user).is_ok_and(|user| user.uid == stat.st_uid);
        if !own && stat.st_mode & OTHERS_READ == 0 {
            return Err(format!("it is not {user}'s to read"));
        }
    }
    let mut bytes = Vec::new();
    let limit = LARGEST as u64 + 1;
    std::fs::File::from(file).take(limit).read_to_end(&mut bytes).map_err(|error| plain(&error))?;
    if bytes.contains(&0) {
        return Err("it is not text".to_owned());
    }
    if bytes.trim_ascii().is_empty() {
        return Err("it is empty".to_owned());
    }
    Ok(bytes)
}

/// Opens what `path` names below `folder`, without leaving it.
#[expect(clippy::disallowed_methods, reason = "the door of attachments: no link is followed")]
fn walk(folder: &Path, path: &Path) -> Result<OwnedFd, String> {
    let outside = || format!("it does not lie below {}", folder.display());
    let path = match path.is_absolute() {
        true => path.strip_prefix(folder).map_err(|_| outside())?,
        false => path,
    };
    let mut steps = Vec::new();
    for step in path.components() {
        match step {
            Component::Normal(name) => steps.push(name),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return Err(outside()),
        }
    }
    let Some((last, folders)) = steps.split_last() else { return Err("it is a folder".to_owned()) };
    let how = OFlags::RDONLY | OFlags::CLOEXEC;
    let told = |error: rustix::io::Errno| match error {
        rustix::io::Errno::LOOP => "a symbolic link is on the way to it".to_owned(),
        error => plain(&error.into()),
    };
    let mut at = open(folder, how | OFlags::DIRECTORY, Mode::empty()).map_err(told)?;
    for name in folders {
        at = openat(&at, *name, how | OFlags::DIRECTORY | OFlags::NOFOLLOW, Mode::empty()).map_err(told)?;
    }
    // A pipe or a device must not make anybody wait.
    openat(&at, *last, how | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY, Mode::empty()).map_err(told)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test makes the files it reads")]
mod tests {
    use std::path::Path;

    use super::{Place, read, walk};
    use crate::exec::capture::redact::Redactor;

    #[test]
    fn of_an_empty_file_it_is_said_that_it_is_not_attached() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, content) in [("empty", ""), ("blank", "\n")] {
            std::fs::write(folder.path().join(name), content).expect("it can be written");
            let place = Place { folder: folder.path(), user: None };
            let why = read(place, &Redactor::default(), name).expect_err("there is nothing to attach");
            assert_eq!(why, format!("{name} is not attached: it is empty"));
        }
    }

    #[test]
    fn the_way_to_a_file_leads_down_only() {
        for (path, fault) in [
            ("hostname", ""),
            ("./hostname", ""),
            ("/etc/hostname", ""),
            ("../etc/hostname", "it does not lie below /etc"),
            ("x/../hostname", "it does not lie below /etc"),
            ("/proc/self/environ", "it does not lie below /etc"),
            ("/etcetera", "it does not lie below /etc"),
            (".", "it is a folder"),
            ("no-such-file", "no such file or directory"),
        ] {
            let found = walk(Path::new("/etc"), Path::new(path));
            assert_eq!(found.err().unwrap_or_default(), fault, "{path}");
        }
        // A link: /proc/self leads elsewhere.
        let linked = walk(Path::new("/proc"), Path::new("self/status")).expect_err("it is a link");
        assert!(linked.contains("symbolic link") || linked.contains("not a directory"), "{linked}");
    }
}
