//! Text that a command wrote, made fit to be read: no escape sequences, no tricks, valid UTF-8.
//!
//! Before it: bytes from `exec`, texts of the configuration. After it: templates and blocks. [`clean`] takes out what is
//! not text; [`slack::escape`](crate::slack::escape) then writes text so that Slack shows it and obeys none of it.

pub use crate::exec::{clean, clean_str};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{clean, clean_str};
    use crate::slack::escape;

    #[test]
    fn output_becomes_text() {
        for (bytes, text) in [
            (&b"plain\ttext\n"[..], "plain\ttext\n"),
            (b"\x1b[1;31mred\x1b[0m and \x1b[38;5;196mmore\x1b[m", "red and more"),
            (b"\x1b]0;a title\x07after", "after"),
            (b"\x1b]8;;https://example.com\x1b\\label\x1b]8;;\x1b\\", "label"),
            (b"\x1b]0;never ends\nnext line", "0;never ends\nnext line"),
            (b"\x1b]0;never ends", "0;never ends"),
            (b"\x1b(Bcharset", "charset"),
            (b"\x1bPq#0;2;0;0;0\x1b\\after sixel", "after sixel"),
            (b"10%\r50%\r100%\ndone", "100%\ndone"),
            (b"10%\r50%\r100%\r\ndone\r\n", "100%\ndone\n"),
            (b"bar 100%\r", "bar 100%"),
            (b"a\0b\x01c\x7f", "abc"),
            (b"N\x08NA\x08AME", "NAME"),
            (b"\x08\x08start", "start"),
            (b"bar 10%\x08\x08\x0850%\x08\x08\x08\n", "bar 50%\n"),
            (b"10%\x1b[2K\x1b[1G50%\x1b[2K\x1b[1G100%\ndone", "100%\ndone"),
            (b"10%\x1b[G50%\x1b[0G100%\n", "100%\n"),
            (b"10%\x1b[1K\r50%\x1b[1K\x1b[1G100%\n", "100%\n"),
            (b"10%\x1b[1000D50%\x1b[3D100%\x1b[1000D\ndone", "100%\ndone"),
            ("\u{fc} 10%\x1b[3D50%\x1b[1000D\u{fc} 100%".as_bytes(), "\u{fc} 100%"),
            ("\u{fc}\u{fc}\u{fc}\x1b[2Gx".as_bytes(), "\u{fc}x"),
            (b"bar 10%\x1b[5G50%\x1b[3D\x1b[1C5", "bar 55"),
            (b"bar 10%\r\x1b[Kdone\nbar\r\x1b[K\n", "done\n\n"),
            (b"bar 10%\x1b[2K\x1b[1Gbar 100%\x1b[2K\x1b[1G", ""),
            (b"Counting: 5, done.\x1b[K\nStarting\x1b[60G[ OK ]\r\n", "Counting: 5, done.\nStarting[ OK ]\n"),
            // Of what is written in other lines nothing is lost.
            (b"one\ntwo\x1b[1A\x1b[2K\x1b[Gthree\nfour\x1b[2K\x1b[Gfive", "one\ntwothree\nfive"),
            (b"a\x1b[?25l\x1b[1;5Gb\x1b[99999999999999999999Gc", "abc"),
            (b"caf\xe9 \xff", "caf\\xE9 \\xFF"),
            ("caf\u{e9}".as_bytes(), "caf\u{e9}"),
            ("safe\u{202e}gnp.exe\u{2066}".as_bytes(), "safegnp.exe"),
            ("\u{feff}bom".as_bytes(), "bom"),
            (b"\x1b[31", ""),
            (b"\x1b[31\nline", "\nline"),
            (b"", ""),
        ] {
            assert_eq!(clean(bytes), text, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_in_no_control_character_goes_out(bytes in proptest::collection::vec(any::<u8>(), 0..600), ticks in "(`|``|```|<|a){0,30}") {
            let text = clean(&bytes);
            prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
            prop_assert_eq!(clean_str(&text), text.as_str(), "cleaning twice changes nothing");
            let escaped = escape(&format!("{text}{ticks}"));
            prop_assert!(!escaped.contains(['<', '>']) && !escaped.contains("```"));
            prop_assert!(!escaped.starts_with('`') && !escaped.ends_with('`'), "nothing beside it makes a fence");
        }

        #[test]
        fn plain_words_are_never_lost(words in "[a-z ]{0,80}", escape_codes in "(\x1b\\[[0-9;]{0,6}m){0,3}") {
            prop_assert_eq!(clean(format!("{escape_codes}{words}{escape_codes}").as_bytes()), words);
        }
    }
}
