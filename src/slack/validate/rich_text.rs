//! What Slack takes of a block of rich text.

use super::rule::{ANY, Part, Rule, Shape, block, list, may, needed, one, shape, text};

pub(super) static RICH_TEXT: Shape =
    block("rich_text", "a block of rich text", &[needed("elements", list(&one(RICH_PARTS), 0, ANY))]);

const RICH_PARTS: &[&Shape] = &[&RICH_SECTION, &RICH_LIST, &RICH_PREFORMATTED, &RICH_QUOTE];

/// What stands in a line of rich text.
pub(super) const PIECES: Rule = Rule::One {
    shapes: &[&PIECE, &LINK, &USER, &USERGROUP, &TEAM, &CHANNEL, &EMOJI, &BROADCAST, &COLOR, &DATE],
    open: &[
        "attachment_mention",
        "canvas",
        "canvas_message_unfurl",
        "canvas_user_mention",
        "citation",
        "file",
        "list_record",
        "message_mention",
        "salesforce_data_field",
        "tag",
        "work_object_mention",
        "workflow_mention",
    ],
};

static RICH_SECTION: Shape =
    shape("rich_text_section", "a rich_text_section", &[needed("elements", list(&PIECES, 0, ANY))]);

static RICH_LIST: Shape = shape(
    "rich_text_list",
    "a rich_text_list",
    &[
        needed("elements", list(&one(&[&RICH_SECTION]), 1, ANY)),
        needed("style", Rule::Among(&["bullet", "ordered"])),
        may("indent", Rule::Whole { least: 0, most: 8 }),
        may("offset", Rule::Whole { least: 0, most: i64::MAX }),
        may("border", BORDER),
    ],
);

static RICH_PREFORMATTED: Shape = shape(
    "rich_text_preformatted",
    "a rich_text_preformatted",
    &[needed("elements", list(&PIECES, 0, ANY)), may("border", BORDER), may("language", text(ANY))],
);

static RICH_QUOTE: Shape =
    shape("rich_text_quote", "a rich_text_quote", &[needed("elements", list(&PIECES, 0, ANY)), may("border", BORDER)]);

const BORDER: Rule = Rule::Whole { least: 0, most: 1 };

const STYLE: Part = may("style", Rule::Object(&STYLES));

static STYLES: Shape = shape(
    "",
    "a style",
    &[
        may("bold", Rule::Flag),
        may("italic", Rule::Flag),
        may("strike", Rule::Flag),
        may("underline", Rule::Flag),
        may("code", Rule::Flag),
        may("highlight", Rule::Flag),
        may("client_highlight", Rule::Flag),
        may("unlink", Rule::Flag),
    ],
);

static PIECE: Shape = shape("text", "a text", &[needed("text", text(ANY)), STYLE]);
static LINK: Shape =
    shape("link", "a link", &[needed("url", Rule::Link), may("text", text(ANY)), may("unsafe", Rule::Flag), STYLE]);
static USER: Shape = shape("user", "a user", &[needed("user_id", text(ANY)), STYLE]);
static USERGROUP: Shape = shape("usergroup", "a usergroup", &[needed("usergroup_id", text(ANY)), STYLE]);
static TEAM: Shape = shape("team", "a team", &[needed("team_id", text(ANY)), STYLE]);
static CHANNEL: Shape = shape("channel", "a channel", &[needed("channel_id", text(ANY)), STYLE]);
static EMOJI: Shape = shape("emoji", "an emoji", &[needed("name", text(ANY)), STYLE]).open();
static BROADCAST: Shape =
    shape("broadcast", "a broadcast", &[needed("range", Rule::Among(&["here", "channel", "everyone"])), STYLE]);
static COLOR: Shape = shape("color", "a color", &[needed("value", text(ANY)), STYLE]);
static DATE: Shape = shape(
    "date",
    "a date",
    &[
        needed("timestamp", Rule::Whole { least: 0, most: i64::MAX }),
        needed("format", text(ANY)),
        may("url", Rule::Link),
        may("fallback", text(ANY)),
        STYLE,
    ],
);
