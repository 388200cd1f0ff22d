//! Programs that are built for another machine or another system, by the bytes with which they begin.
//!
//! Before it: a file that may be executed. After it: the words of `check`, and of a run that could not be started. In doubt
//! nothing is said: what the kernel hands to an emulator (binfmt_misc) may run.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::program::{is_missing, open};

/// The table of programs stands at the beginning of the file, and what it points to soon after.
const START: usize = 4096;

/// Where the kernel lists the kinds of files that it hands to other programs.
const HANDED_ON: &str = "/proc/sys/fs/binfmt_misc";

/// What keeps a program that is no script from running here, as the end of a sentence.
#[expect(clippy::disallowed_methods, reason = "the door of programs: what a file is, and what this process is")]
pub fn foreign(file: &Path) -> Option<String> {
    let start = start_of(file)?;
    let magic = start.get(..4)?;
    let fault = fault_of(&start, || start_of(Path::new("/proc/self/exe")).as_deref().and_then(Elf::read))?;
    let entries = std::fs::read_dir(HANDED_ON).into_iter().flatten().flatten();
    let told = entries.filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
    let is_handed_on = told.into_iter().any(|text| takes(&text, magic));
    (!is_handed_on).then_some(fault)
}

fn start_of(file: &Path) -> Option<Vec<u8>> {
    use std::io::Read;
    let mut start = Vec::new();
    open(file).ok()?.take(START as u64).read_to_end(&mut start).ok()?;
    Some(start)
}

/// Whether an entry of binfmt_misc is about files that begin so.
fn takes(entry: &str, start: &[u8]) -> bool {
    let magic = entry.lines().find_map(|line| line.strip_prefix("magic ")).unwrap_or_default().trim();
    let start: String = start.iter().map(|byte| format!("{byte:02x}")).collect();
    let both = magic.len().min(start.len());
    entry.starts_with("enabled") && both > 0 && magic.get(..both) == start.get(..both)
}

fn fault_of(start: &[u8], own: impl Fn() -> Option<Elf>) -> Option<String> {
    match start.get(..4)? {
        [b'M', b'Z', ..] if start.iter().take(64).any(|byte| *byte == 0) => {
            return Some("it is a program for Windows".to_owned());
        }
        [0xcf | 0xce, 0xfa, 0xed, 0xfe] | [0xca, 0xfe, 0xba, 0xbe] => {
            return Some("it is a program for macOS".to_owned());
        }
        _ => {}
    }
    let (elf, own) = (Elf::read(start)?, own()?);
    if !own.runs(&elf) {
        return Some(format!("it is a program for {}, and this machine is {}", elf.machine_name(), own.machine_name()));
    }
    let loader = elf.loader.filter(|loader| loader.is_absolute() && is_missing(loader))?;
    Some(format!("the loader that it needs, `{}`, is not there: it is built for another system", loader.display()))
}

/// What a program says of itself, elf(5).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Elf {
    machine: u16,
    is_little: bool,
    loader: Option<PathBuf>,
}

const PT_INTERP: u64 = 3;

impl Elf {
    fn read(start: &[u8]) -> Option<Self> {
        let rest = start.strip_prefix(b"\x7fELF")?;
        let (is_wide, is_little) = (*rest.first()? == 2, *rest.get(1)? == 1);
        let number = |at: usize, length: usize| -> Option<u64> {
            let bytes = start.get(at..at.checked_add(length)?)?.iter();
            let join = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
            Some(if is_little { bytes.rev().fold(0, join) } else { bytes.fold(0, join) })
        };
        let place = |at: usize| usize::try_from(number(at, if is_wide { 8 } else { 4 })?).ok();
        let machine = u16::try_from(number(18, 2)?).ok()?;
        let loader = || {
            let (table, size_at) = if is_wide { (place(32)?, 54) } else { (place(28)?, 42) };
            let size = usize::try_from(number(size_at, 2)?).ok()?;
            let count = usize::try_from(number(size_at + 2, 2)?).ok()?;
            let mut rows = (0..count).map(|row| table.saturating_add(row * size));
            let row = rows.find(|row| number(*row, 4) == Some(PT_INTERP))?;
            let from = place(row + if is_wide { 8 } else { 4 })?;
            let path = start.get(from..)?;
            let path = &path[..path.iter().position(|byte| *byte == 0)?];
            Some(PathBuf::from(OsStr::from_bytes(path)))
        };
        Some(Self { machine, is_little, loader: loader() })
    }

    /// Whether a machine that runs this program runs the other: its own kind, and the one with half its bits.
    fn runs(&self, other: &Self) -> bool {
        let halves = [(62, 3), (183, 40), (21, 20)];
        self.is_little == other.is_little
            && (self.machine == other.machine || halves.contains(&(self.machine, other.machine)))
    }

    fn machine_name(&self) -> String {
        let name = match self.machine {
            3 => "x86 (32 bits)",
            8 => "MIPS",
            20 => "PowerPC",
            21 => "PowerPC (64 bits)",
            22 => "S/390",
            40 => "ARM (32 bits)",
            62 => "x86-64",
            183 => "ARM (64 bits)",
            243 => "RISC-V",
            258 => "LoongArch",
            other => return format!("another kind of machine ({other})"),
        };
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{Elf, fault_of, takes};

    /// The beginning of a program with a table of one row, which names its loader.
    fn program(machine: u8, loader: &str) -> Vec<u8> {
        let mut start = vec![0; 64 + 56];
        start[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        start[18] = machine;
        (start[32], start[54], start[56], start[64], start[72]) = (64, 56, 1, 3, 120);
        start.extend(loader.as_bytes());
        start.push(0);
        start
    }

    #[test]
    fn a_program_for_another_machine_or_system_is_said_to_be_that() {
        let own = || Elf::read(&program(62, "/bin/sh"));
        for (start, fault) in [
            (program(62, "/bin/sh"), ""),
            (program(3, "/bin/sh"), ""),
            (program(183, "/bin/sh"), "it is a program for ARM (64 bits), and this machine is x86-64"),
            (program(200, "/bin/sh"), "it is a program for another kind of machine (200), and this machine is x86-64"),
            (program(62, "/no/such/ld-musl.so.1"), "the loader that it needs, `/no/such/ld-musl.so.1`, is not there"),
            (b"\xcf\xfa\xed\xfe\x07".to_vec(), "it is a program for macOS"),
            (b"MZ\x90\0\x03".to_vec(), "it is a program for Windows"),
            (b"#!/bin/sh\n".to_vec(), ""),
            (b"\x7fELF\x02".to_vec(), ""),
            (b"\x7f".to_vec(), ""),
            (Vec::new(), ""),
        ] {
            let found = fault_of(&start, own).unwrap_or_default();
            assert!(found.starts_with(fault) && found.is_empty() == fault.is_empty(), "{start:?}: {found}");
        }
        assert_eq!(fault_of(&program(183, "/x"), || None), None, "of this machine nothing is known");
    }

    #[test]
    fn whatever_a_program_begins_with_it_is_read_to_its_end() {
        let whole = program(62, "/bin/sh");
        for length in 0..whole.len() {
            let _ = fault_of(&whole[..length], || None);
        }
        let mut odd = whole;
        for at in 32..64 {
            odd[at] = 0xff;
            assert!(Elf::read(&odd).is_some(), "{at}");
        }
    }

    #[test]
    fn what_the_kernel_hands_on_is_not_judged() {
        let qemu = "enabled\ninterpreter /usr/bin/qemu-aarch64\nflags: OCF\noffset 0\nmagic 7f454c460201010000\n";
        assert!(takes(qemu, b"\x7fELF"));
        assert!(takes("enabled\nmagic 4d5a\n", b"MZ\x90\0"));
        assert!(!takes("disabled\nmagic 4d5a\n", b"MZ\x90\0"));
        assert!(!takes("enabled\nextension .py\n", b"MZ\x90\0"));
        assert!(!takes(qemu, b"MZ\x90\0"));
    }
}
