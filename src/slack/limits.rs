//! Slack's limits. Documented in its Block Kit reference and in the models of its own SDKs, but for those that say so.
//! Lengths are UTF-16 units of the escaped text: the larger of the two counts that Slack may mean.

/// `text` of a section.
pub const SECTION: usize = 3000;
/// Any text object without a smaller limit of its own.
pub const TEXT_OBJECT: usize = 3000;
/// `text` of a header.
pub const HEADER: usize = 150;
/// One of a section's `fields`.
pub const FIELD: usize = 2000;
/// How many `fields` a section has.
pub const FIELDS: usize = 10;
/// How many elements a context has.
pub const CONTEXT_ELEMENTS: usize = 10;
/// How many elements an actions block has.
pub const ACTION_ELEMENTS: usize = 25;
/// `text` of a button.
pub const BUTTON: usize = 75;
/// `url` of a button or an image.
pub const URL: usize = 3000;
/// `alt_text` and `title` of an image.
pub const ALT_TEXT: usize = 2000;
/// `block_id` and `action_id`.
pub const ID: usize = 255;
/// Blocks of a message.
pub const BLOCKS: usize = 50;
/// Blocks of an attachment: more were refused, though no page says so.
pub const ATTACHMENT_BLOCKS: usize = 20;
/// All blocks of a message together. Slack documents none and refuses from about 11,000 on (`msg_blocks_too_long`).
pub const ALL_BLOCKS: usize = 9_000;
/// The plain `text` beside the blocks; 4,000 is the most that an edit takes.
pub const PLAIN: usize = 3_000;
/// `text` of an edit (`msg_too_long` above).
pub const LONGEST_EDIT: usize = 4_000;
/// `text` of a message that is nothing but text: room for all that blocks can say. Slack may show it as several messages.
pub const LONGEST_TEXT: usize = 12_000;
