//! [fs] The door of files that are named on the command line: read whole, `-` is standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::Failure;

/// No file that is named on the command line is longer.
const LONGEST: u64 = 64 << 20;

/// Everything in the file.
#[expect(clippy::disallowed_methods, reason = "the door of files that are named on the command line")]
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: io::Error| Failure::new(format!("{} cannot be read: {error}", path.display()));
    let mut bytes = Vec::new();
    let source: Box<dyn Read> = match path == Path::new("-") {
        true => Box::new(io::stdin().lock()),
        false => Box::new(File::open(path).map_err(failed)?),
    };
    source.take(LONGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LONGEST {
        return Err(Failure::new(format!("{} is longer than {} MiB", path.display(), LONGEST >> 20)));
    }
    Ok(bytes)
}
