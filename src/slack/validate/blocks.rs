//! What Slack takes of each kind of block in a message.

use super::elements::{ACCESSORY, ACTION, ASKING, BUTTON_ELEMENT, FEEDBACK_BUTTONS, ICON_BUTTON, IMAGE, SLACK_FILE};
use super::rich_text::RICH_TEXT;
use super::rule::{ANY, Part, Rule, Shape, block, list, may, needed, one, plain, shape, text, words};
use crate::slack::limits::{
    ACTION_ELEMENTS, ALT_TEXT, CONTEXT_ELEMENTS, FIELD, FIELDS, HEADER, LONGEST_TEXT, SECTION, TEXT_OBJECT,
};

/// An element of a context: its text, or an image.
const TEXT_OR_IMAGE: &[&str] = &["plain_text", "mrkdwn", "image"];

/// Blocks that exist and that Slack does not take in a message, and why.
pub(super) const REFUSED: &[(&str, &str)] = &[
    ("alert", "Slack takes an `alert` in a modal, and not in a message"),
    ("file", "Slack takes no `file` block from an app: only messages with a remote file have one"),
];

/// The blocks of a message.
pub(super) static SHAPES: &[&Shape] = &[
    &ACTIONS,
    &CARD,
    &CAROUSEL,
    &CONTAINER,
    &CONTEXT,
    &CONTEXT_ACTIONS,
    &DATA_TABLE,
    &DATA_VISUALIZATION,
    &DIVIDER,
    &HEADER_BLOCK,
    &IMAGE_BLOCK,
    &INPUT,
    &MARKDOWN,
    &PLAN,
    &RICH_TEXT,
    &SECTION_BLOCK,
    &TABLE,
    &TASK_CARD,
    &VIDEO,
];

/// Blocks that Slack added so lately that only their names are known here.
pub(super) const OPEN: &[&str] = &["layout"];

static ACTIONS: Shape =
    block("actions", "an actions block", &[needed("elements", list(&one(ACTION), 1, ACTION_ELEMENTS))]);

static CARD: Shape = block(
    "card",
    "a card",
    &[
        may("hero_image", one(&[&IMAGE])),
        may("icon", one(&[&IMAGE])),
        may("title", words(150)),
        may("subtitle", words(150)),
        may("body", words(200)),
        may("subtext", words(200)),
        may("actions", list(&one(&[&BUTTON_ELEMENT]), 1, 3)),
    ],
)
.either(&["hero_image", "title", "actions", "body"])
.open();

static CAROUSEL: Shape = block("carousel", "a carousel", &[needed("elements", list(&one(&[&CARD]), 1, 10))]).open();

static CONTAINER: Shape = block(
    "container",
    "a container",
    &[
        may("title", plain(150)),
        may("rich_text_title", one(&[&RICH_TEXT])),
        may("subtitle", words(150)),
        needed("child_blocks", list(&Rule::Block, 1, 10)),
    ],
)
.either(&["title", "rich_text_title"])
.open();

static CONTEXT: Shape = block(
    "context",
    "a context",
    &[needed("elements", list(&Rule::Words { kinds: TEXT_OR_IMAGE, most: TEXT_OBJECT }, 1, CONTEXT_ELEMENTS))],
);

static CONTEXT_ACTIONS: Shape = block(
    "context_actions",
    "a context_actions block",
    &[needed("elements", list(&one(&[&FEEDBACK_BUTTONS, &ICON_BUTTON]), 1, 5))],
)
.open();

static DATA_TABLE: Shape = block(
    "data_table",
    "a data_table",
    &[
        needed("caption", text(ANY)),
        needed("rows", list(&list(&one(CELLS), 1, 20), 2, 201)),
        may("page_size", Rule::Whole { least: 1, most: 100 }),
        may("row_header_column_index", Rule::Whole { least: 0, most: 19 }),
    ],
)
.open();

static DATA_VISUALIZATION: Shape = block(
    "data_visualization",
    "a data_visualization",
    &[needed("title", text(50)), needed("chart", one(&[&PIE, &BAR, &AREA, &LINE]))],
)
.open();

const SERIES: &[Part] = &[needed("series", list(&Rule::Any, 1, 12)), needed("axis_config", Rule::Any)];

static PIE: Shape = shape("pie", "a pie chart", &[needed("segments", list(&Rule::Any, 1, 12))]).open();
static BAR: Shape = shape("bar", "a bar chart", SERIES).open();
static AREA: Shape = shape("area", "an area chart", SERIES).open();
static LINE: Shape = shape("line", "a line chart", SERIES).open();

static DIVIDER: Shape = block("divider", "a divider", &[]);

static HEADER_BLOCK: Shape =
    block("header", "a header", &[needed("text", plain(HEADER)), may("level", Rule::Whole { least: 1, most: 4 })]);

static IMAGE_BLOCK: Shape = block(
    "image",
    "an image",
    &[
        needed("alt_text", text(ALT_TEXT)),
        may("image_url", Rule::Url),
        may("slack_file", Rule::Object(&SLACK_FILE)),
        may("title", plain(ALT_TEXT)),
    ],
)
.one_of(&["image_url", "slack_file"]);

static INPUT: Shape = block(
    "input",
    "an input",
    &[
        needed("label", plain(2000)),
        needed("element", one(ASKING)),
        may("hint", plain(2000)),
        may("optional", Rule::Flag),
        may("dispatch_action", Rule::Flag),
    ],
);

static MARKDOWN: Shape = block("markdown", "a markdown block", &[needed("text", text(LONGEST_TEXT))]);

static PLAN: Shape =
    block("plan", "a plan", &[needed("title", Rule::Any), may("tasks", list(&Rule::Any, 0, 50))]).open();

static SECTION_BLOCK: Shape = block(
    "section",
    "a section",
    &[
        may("text", words(SECTION)),
        may("fields", list(&words(FIELD), 1, FIELDS)),
        may("accessory", one(ACCESSORY)),
        may("expand", Rule::Flag),
    ],
)
.either(&["text", "fields"]);

static TABLE: Shape = block(
    "table",
    "a table",
    &[
        needed("rows", list(&list(&one(CELLS), 1, 20), 1, 100)),
        may("column_settings", list(&Rule::Object(&COLUMN), 0, 20)),
    ],
);

static COLUMN: Shape = shape(
    "",
    "a setting of a column",
    &[may("align", Rule::Among(&["left", "center", "right"])), may("is_wrapped", Rule::Flag)],
);

const CELLS: &[&Shape] = &[&RAW_TEXT, &RAW_NUMBER, &RICH_TEXT];

static RAW_TEXT: Shape = shape("raw_text", "a cell", &[needed("text", text(ANY))]);
static RAW_NUMBER: Shape = shape("raw_number", "a cell", &[needed("value", Rule::Number), may("text", text(ANY))]);

static TASK_CARD: Shape = block(
    "task_card",
    "a task_card",
    &[
        needed("task_id", text(ANY)),
        needed("title", text(ANY)),
        may("details", one(&[&RICH_TEXT])),
        may("output", one(&[&RICH_TEXT])),
        may("sources", list(&one(&[&SOURCE]), 0, ANY)),
        may("status", Rule::Among(&["pending", "in_progress", "complete", "error"])),
    ],
)
.open();

static SOURCE: Shape = shape("url", "a source", &[needed("url", Rule::Link), needed("text", text(ANY))]).open();

static VIDEO: Shape = block(
    "video",
    "a video",
    &[
        needed("alt_text", text(ALT_TEXT)),
        needed("title", plain(200)),
        needed("thumbnail_url", Rule::Url),
        needed("video_url", Rule::Https),
        may("title_url", Rule::Https),
        may("author_name", text(50)),
        may("provider_name", text(50)),
        may("provider_icon_url", Rule::Url),
        may("description", plain(200)),
    ],
);
