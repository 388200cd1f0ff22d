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
