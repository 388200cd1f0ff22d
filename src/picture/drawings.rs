//! Emoji as drawings: what a font shows for them differs from machine to machine, and some have none. Pure.
//!
//! Each is drawn in a square of 20 units. Every emoji that the program itself writes is here; any other is left to the font.

/// The drawing of an emoji, as the inside of an SVG.
pub(super) fn of(c: char) -> Option<&'static str> {
    Some(match c {
        '🔴' => r##"<circle cx="10" cy="10" r="8.5" fill="#dd2e44"/>"##,
        '🟠' => r##"<circle cx="10" cy="10" r="8.5" fill="#f4900c"/>"##,
        '🟡' => r##"<circle cx="10" cy="10" r="8.5" fill="#fdcb58"/>"##,
        '🟢' => r##"<circle cx="10" cy="10" r="8.5" fill="#78b159"/>"##,
        '⚪' => r##"<circle cx="10" cy="10" r="8.1" fill="#e6e7e8" stroke="#9aa0a6" stroke-width=".9"/>"##,
        '⚫' => r##"<circle cx="10" cy="10" r="8.1" fill="#31373d" stroke="#9aa0a6" stroke-width=".9"/>"##,
        '✅' => {
            r##"<rect x="1.5" y="1.5" width="17" height="17" rx="3.4" fill="#77b255"/><path d="M5.2 10.4l3.3 3.4 6.3-7.4" fill="none" stroke="#fff" stroke-width="2.5" stroke-linecap="round" stroke-linejoin="round"/>"##
        }
        '⚠' => {
            r##"<path d="M10 2l8.6 15.6H1.4z" fill="#ffcc4d" stroke="#ffcc4d" stroke-width="1.6" stroke-linejoin="round"/><path d="M10 7v5" stroke="#231f20" stroke-width="1.9" stroke-linecap="round"/><circle cx="10" cy="15" r="1.1" fill="#231f20"/>"##
        }
        '🔀' => {
            r##"<rect x="1.2" y="1.2" width="17.6" height="17.6" rx="3.4" fill="#3b88c3"/><path d="M4 6.6h2.6l5.6 6.8h3.2M4 13.4h2.6l1.5-1.8M10.5 8.6l1.7-2h3.2" fill="none" stroke="#fff" stroke-width="1.6"/><path d="M14.2 4.4l3 2.2-3 2.2zM14.2 11.2l3 2.2-3 2.2z" fill="#fff"/>"##
        }
        '🌙' => r##"<path d="M13.6 2.2A8.3 8.3 0 1 0 18 12.9 6.9 6.9 0 0 1 13.6 2.2z" fill="#ffd983"/>"##,
        '📊' => {
            r##"<rect x="1.5" y="1.5" width="17" height="17" rx="2.4" fill="#ccd6dd"/><rect x="4" y="9" width="3" height="7" fill="#5c913b"/><rect x="8.5" y="4" width="3" height="12" fill="#3b94d9"/><rect x="13" y="7" width="3" height="9" fill="#dd2e44"/>"##
        }
        '⏳' | '⌛' => {
            r##"<path d="M4.5 1.5h11v2.2h-11zM4.5 16.3h11v2.2h-11z" fill="#9e5a2d"/><path d="M5.8 3.7h8.4c0 3.4-2.6 4.6-2.6 6.3s2.6 2.9 2.6 6.3H5.8c0-3.4 2.6-4.6 2.6-6.3S5.8 7.1 5.8 3.7z" fill="#d8ebf5"/><path d="M7.2 5.9h5.6L10 9.2zM6.6 16.3c.6-1.9 2-2.6 3.4-2.6s2.8.7 3.4 2.6z" fill="#f1a83c"/>"##
        }
        '👀' => {
            r##"<ellipse cx="5.9" cy="10" rx="4.4" ry="6.6" fill="#fff" stroke="#9aa0a6" stroke-width=".8"/><ellipse cx="14.1" cy="10" rx="4.4" ry="6.6" fill="#fff" stroke="#9aa0a6" stroke-width=".8"/><ellipse cx="4.5" cy="11" rx="2" ry="3" fill="#292f33"/><ellipse cx="12.7" cy="11" rx="2" ry="3" fill="#292f33"/>"##
        }
        '⏸' => {
            r##"<rect x="1.2" y="1.2" width="17.6" height="17.6" rx="3.4" fill="#3b88c3"/><rect x="6" y="5.5" width="2.8" height="9" fill="#fff"/><rect x="11.2" y="5.5" width="2.8" height="9" fill="#fff"/>"##
        }
        '▶' => {
            r##"<rect x="1.2" y="1.2" width="17.6" height="17.6" rx="3.4" fill="#3b88c3"/><path d="M7 5.4l7.4 4.6L7 14.6z" fill="#fff"/>"##
        }
        '📄' => {
            r##"<path d="M4 1.5h8.3l4 4v13H4z" fill="#e1e8ed"/><path d="M12.3 1.5v4h4z" fill="#99aab5"/><path d="M6.3 8.5h7.6M6.3 11.3h7.6M6.3 14.1h5" stroke="#99aab5" stroke-width="1.1"/>"##
        }
        '💾' => {
            r##"<path d="M2 2h13.4L18 4.6V18H2z" fill="#31373d"/><rect x="5.4" y="2" width="8" height="5.6" fill="#ccd6dd"/><rect x="10.4" y="2.9" width="1.9" height="3.7" fill="#31373d"/><rect x="4.6" y="10.4" width="10.8" height="7.6" fill="#f5f8fa"/>"##
        }
        '🔥' => {
            r##"<path d="M10.6 1.2c.7 3.6 5.9 5.3 5.9 10.9a6.5 6.5 0 0 1-13 0c0-2.7 1.4-4.2 2.3-5.6.3 1.4.9 2.1 1.7 2.4-.4-2.9.7-5.9 3.1-7.7z" fill="#f4900c"/><path d="M10.2 9.3c.3 1.7 3 2.6 3 5.2a3.2 3.2 0 0 1-6.4 0c0-1.6.9-2.3 1.4-3.2.3.7.6 1 1 1.1-.2-1.2.1-2.3 1-3.1z" fill="#ffcc4d"/>"##
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_emoji_that_the_program_writes_is_drawn() {
        for name in [
            ":red_circle:",
            ":large_orange_circle:",
            ":large_yellow_circle:",
            ":large_green_circle:",
            ":white_circle:",
            ":black_circle:",
            ":white_check_mark:",
            ":warning:",
            ":twisted_rightwards_arrows:",
            ":crescent_moon:",
            ":bar_chart:",
            ":hourglass_flowing_sand:",
            ":eyes:",
            ":double_vertical_bar:",
            ":arrow_forward:",
            ":page_facing_up:",
        ] {
            let shown = crate::notify::mrkdwn::emoji(name);
            let first = shown.chars().next().expect("a character");
            assert!(super::of(first).is_some(), "{name} is shown as {shown}");
        }
    }
}
