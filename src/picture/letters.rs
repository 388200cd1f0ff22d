//! How wide letters are: an SVG has no lines of its own, so that text is broken here. Pure.
//!
//! Before it: text. After it: `lines`. The widths are those of Helvetica, which Arial and Liberation Sans share; another font is
//! brought to the same width by the picture (`textLength`).

use super::drawings;

/// Widths from space to `~`, in thousandths of the font's size.
#[rustfmt::skip]
const REGULAR: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
    1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
    333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
    556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];

#[rustfmt::skip]
const BOLD: [u16; 95] = [
    278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278, 278,
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 333, 333, 584, 584, 584, 611,
    975, 722, 722, 722, 722, 667, 611, 778, 722, 278, 556, 722, 611, 833, 722, 778,
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 333, 278, 333, 584, 556,
    333, 556, 611, 556, 611, 556, 333, 611, 611, 278, 278, 556, 278, 889, 611, 611,
    611, 611, 389, 556, 333, 611, 556, 778, 556, 556, 500, 389, 280, 389, 584,
];

/// Of a font in which all letters are as wide.
const MONO: f64 = 0.602;

/// An emoji, which is as high as it is wide, with a little room around it.
pub(super) const EMOJI: f64 = 1.25;

/// A kind of letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Face {
    Regular,
    Bold,
    Mono,
}

/// How wide a text is in pixels.
pub(super) fn width(text: &str, face: Face, size: f64) -> f64 {
    text.chars().map(|c| advance(c, face)).sum::<f64>() * size
}

fn advance(c: char, face: Face) -> f64 {
    if is_emoji(c) {
        return EMOJI;
    }
    let table = match face {
        Face::Mono => return if is_wide(c) { 2.0 * MONO } else { MONO },
        Face::Regular => &REGULAR,
        Face::Bold => &BOLD,
    };
    let known = u32::from(c).checked_sub(32).and_then(|index| table.get(index as usize));
    match (known, c) {
        (Some(width), _) => f64::from(*width) / 1000.0,
        (None, '·' | '’' | '‘') => 0.278,
        (None, '•') => 0.35,
        (None, '…' | '—' | '→') => 1.0,
        (None, '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' | '\u{fe0f}') => 0.0,
        _ if is_wide(c) => 1.0,
        _ => 0.58,
    }
}

/// Whether a character is a picture: one that is drawn here, or one of the font.
pub(super) fn is_emoji(c: char) -> bool {
    drawings::of(c).is_some()
        || matches!(c, '\u{1f300}'..='\u{1faff}' | '\u{2600}'..='\u{27bf}' | '\u{2b1b}'..='\u{2b55}')
}

/// Characters of east Asian scripts, which are twice as wide.
fn is_wide(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{20000}'..='\u{3fffd}')
}

#[cfg(test)]
mod tests {
    use super::{Face, width};

    #[test]
    fn text_is_as_wide_as_its_letters() {
        for (text, face, wanted) in [
            ("", Face::Regular, 0.0),
            ("il", Face::Regular, 4.44),
            ("WW", Face::Bold, 18.88),
            ("iW", Face::Mono, 12.04),
            ("🔴", Face::Regular, 12.5),
            ("漢", Face::Regular, 10.0),
        ] {
            let found = width(text, face, 10.0);
            assert!((found - wanted).abs() < 0.001, "{text}: {found}");
        }
    }
}
