//! What Slack takes of each kind of element, and of the objects in it.
//!
//! As its Block Kit reference and the types of its own SDKs have it. Where the two differ, the larger limit counts: what
//! Slack takes is never called wrong. Of kinds that Slack added lately it may know parts that do not stand here, so theirs
//! are open.

use super::rich_text::RICH_TEXT;
use super::rule::{ANY, Part, Rule, Shape, list, may, needed, one, plain, shape, text, words};
use crate::slack::limits::{ALT_TEXT, BUTTON, ID};

/// What an actions block may have.
pub(super) const ACTION: &[&Shape] = &[
    &BUTTON_ELEMENT,
    &CHECKBOXES,
    &DATEPICKER,
    &DATETIMEPICKER,
    &TIMEPICKER,
    &OVERFLOW,
    &RADIO_BUTTONS,
    &WORKFLOW_BUTTON,
    &STATIC_SELECT,
    &EXTERNAL_SELECT,
    &USERS_SELECT,
    &CONVERSATIONS_SELECT,
    &CHANNELS_SELECT,
    &MULTI_STATIC_SELECT,
    &MULTI_EXTERNAL_SELECT,
    &MULTI_USERS_SELECT,
    &MULTI_CONVERSATIONS_SELECT,
    &MULTI_CHANNELS_SELECT,
    &RICH_TEXT_INPUT,
];

/// What may stand beside the text of a section.
pub(super) const ACCESSORY: &[&Shape] = &[
    &BUTTON_ELEMENT,
    &CHECKBOXES,
    &DATEPICKER,
    &TIMEPICKER,
    &IMAGE,
    &OVERFLOW,
    &RADIO_BUTTONS,
    &WORKFLOW_BUTTON,
    &STATIC_SELECT,
    &EXTERNAL_SELECT,
    &USERS_SELECT,
    &CONVERSATIONS_SELECT,
    &CHANNELS_SELECT,
    &MULTI_STATIC_SELECT,
    &MULTI_EXTERNAL_SELECT,
    &MULTI_USERS_SELECT,
    &MULTI_CONVERSATIONS_SELECT,
    &MULTI_CHANNELS_SELECT,
];

/// What an input may have.
pub(super) const ASKING: &[&Shape] = &[
    &PLAIN_TEXT_INPUT,
    &EMAIL_TEXT_INPUT,
    &URL_TEXT_INPUT,
    &NUMBER_INPUT,
    &RICH_TEXT_INPUT,
    &CHECKBOXES,
    &DATEPICKER,
    &DATETIMEPICKER,
    &TIMEPICKER,
    &RADIO_BUTTONS,
    &STATIC_SELECT,
    &EXTERNAL_SELECT,
    &USERS_SELECT,
    &CONVERSATIONS_SELECT,
    &CHANNELS_SELECT,
    &MULTI_STATIC_SELECT,
    &MULTI_EXTERNAL_SELECT,
    &MULTI_USERS_SELECT,
    &MULTI_CONVERSATIONS_SELECT,
    &MULTI_CHANNELS_SELECT,
];

/// Whether there is such an element, here or elsewhere: a `file_input` stands in modals alone.
pub(super) fn is_known(kind: &str) -> bool {
    let shapes = [ACTION, ACCESSORY, ASKING, &[&FEEDBACK_BUTTONS, &ICON_BUTTON]];
    kind == "file_input" || shapes.into_iter().flatten().any(|shape| shape.kind == kind)
}

const ACTION_ID: Part = may("action_id", text(ID));
const CONFIRM: Part = may("confirm", Rule::Object(&CONFIRMATION));
const FOCUS: Part = may("focus_on_load", Rule::Flag);
const PLACEHOLDER: Part = may("placeholder", plain(150));
const DISPATCH: Part = may("dispatch_action_config", Rule::Object(&DISPATCHING));
const LABEL: Part = may("accessibility_label", text(75));
const LOOK: Part = may("style", Rule::Among(&["primary", "danger"]));
const INITIAL: Part = may("initial_value", Rule::Text { least: 0, most: ANY });
const MOST_SELECTED: Part = may("max_selected_items", Rule::Whole { least: 1, most: i64::MAX });
const QUERY: Part = may("min_query_length", Rule::Whole { least: 0, most: i64::MAX });

static CONFIRMATION: Shape = shape(
    "",
    "a confirmation dialog",
    &[
        needed("title", plain(100)),
        needed("text", words(300)),
        needed("confirm", plain(30)),
        needed("deny", plain(30)),
        LOOK,
    ],
);

static DISPATCHING: Shape = shape(
    "",
    "a dispatch_action_config",
    &[needed("trigger_actions_on", list(&Rule::Among(&["on_enter_pressed", "on_character_entered"]), 1, 2))],
);

pub(super) static SLACK_FILE: Shape =
    shape("", "a slack_file", &[may("id", text(ANY)), may("url", Rule::Url)]).one_of(&["id", "url"]);

pub(super) static IMAGE: Shape = shape(
    "image",
    "an image",
    &[needed("alt_text", text(ALT_TEXT)), may("image_url", Rule::Url), may("slack_file", Rule::Object(&SLACK_FILE))],
)
.one_of(&["image_url", "slack_file"]);

pub(super) static BUTTON_ELEMENT: Shape = shape(
    "button",
    "a button",
    &[
        needed("text", plain(BUTTON)),
        may("url", Rule::Url),
        may("value", Rule::Text { least: 0, most: 2000 }),
        LOOK,
        ACTION_ID,
        CONFIRM,
        LABEL,
        may("agent_prompt", Rule::Any),
        may("agent_prompt_display", Rule::Any),
    ],
);

static WORKFLOW_BUTTON: Shape = shape(
    "workflow_button",
    "a workflow_button",
    &[needed("text", plain(BUTTON)), needed("workflow", Rule::Object(&WORKFLOW)), LOOK, ACTION_ID, CONFIRM, LABEL],
);

static WORKFLOW: Shape = shape("", "a workflow", &[needed("trigger", Rule::Object(&TRIGGER))]);
static TRIGGER: Shape =
    shape("", "a trigger", &[needed("url", Rule::Url), may("customizable_input_parameters", Rule::Any)]);

pub(super) static ICON_BUTTON: Shape = shape(
    "icon_button",
    "an icon_button",
    &[needed("icon", text(ANY)), needed("text", plain(BUTTON)), ACTION_ID, CONFIRM, LABEL],
)
.open();

pub(super) static FEEDBACK_BUTTONS: Shape = shape(
    "feedback_buttons",
    "a pair of feedback_buttons",
    &[
        needed("positive_button", Rule::Object(&FEEDBACK)),
        needed("negative_button", Rule::Object(&FEEDBACK)),
        ACTION_ID,
    ],
)
.open();

static FEEDBACK: Shape =
    shape("", "a feedback button", &[needed("text", plain(BUTTON)), needed("value", text(2000)), LABEL]);

/// An option of a menu.
static OPTION: Shape =
    shape("", "an option", &[needed("text", plain(75)), needed("value", text(150)), may("description", plain(75))]);

/// An option of a menu that may open a URL.
static LINKED_OPTION: Shape = shape(
    "",
    "an option",
    &[needed("text", plain(75)), needed("value", text(150)), may("description", plain(75)), may("url", Rule::Url)],
);

/// An option beside a box or a button.
static MARKED_OPTION: Shape =
    shape("", "an option", &[needed("text", words(75)), needed("value", text(150)), may("description", words(75))]);

static OPTION_GROUP: Shape = shape(
    "",
    "a group of options",
    &[needed("label", plain(75)), needed("options", list(&Rule::Object(&OPTION), 1, 100))],
);

static CHECKBOXES: Shape = shape(
    "checkboxes",
    "a list of checkboxes",
    &[
        needed("options", list(&Rule::Object(&MARKED_OPTION), 1, 10)),
        may("initial_options", list(&Rule::Object(&MARKED_OPTION), 1, 10)),
        ACTION_ID,
        CONFIRM,
        FOCUS,
    ],
);

static RADIO_BUTTONS: Shape = shape(
    "radio_buttons",
    "a group of radio_buttons",
    &[
        needed("options", list(&Rule::Object(&MARKED_OPTION), 1, 10)),
        may("initial_option", Rule::Object(&MARKED_OPTION)),
        ACTION_ID,
        CONFIRM,
        FOCUS,
    ],
);

static OVERFLOW: Shape = shape(
    "overflow",
    "an overflow menu",
    &[needed("options", list(&Rule::Object(&LINKED_OPTION), 1, 5)), ACTION_ID, CONFIRM],
);

static DATEPICKER: Shape = shape(
    "datepicker",
    "a datepicker",
    &[may("initial_date", Rule::Written("YYYY-MM-DD")), ACTION_ID, CONFIRM, FOCUS, PLACEHOLDER],
);

static DATETIMEPICKER: Shape = shape(
    "datetimepicker",
    "a datetimepicker",
    &[may("initial_date_time", Rule::Whole { least: 0, most: 9_999_999_999 }), ACTION_ID, CONFIRM, FOCUS],
);

static TIMEPICKER: Shape = shape(
    "timepicker",
    "a timepicker",
    &[may("initial_time", Rule::Written("HH:MM")), may("timezone", text(ANY)), ACTION_ID, CONFIRM, FOCUS, PLACEHOLDER],
);

static PLAIN_TEXT_INPUT: Shape = shape(
    "plain_text_input",
    "a plain_text_input",
    &[
        INITIAL,
        may("multiline", Rule::Flag),
        may("min_length", Rule::Whole { least: 0, most: 3000 }),
        may("max_length", Rule::Whole { least: 1, most: 3000 }),
        ACTION_ID,
        DISPATCH,
        FOCUS,
        PLACEHOLDER,
    ],
);

static EMAIL_TEXT_INPUT: Shape =
    shape("email_text_input", "an email_text_input", &[INITIAL, ACTION_ID, DISPATCH, FOCUS, PLACEHOLDER]);

static URL_TEXT_INPUT: Shape =
    shape("url_text_input", "a url_text_input", &[INITIAL, ACTION_ID, DISPATCH, FOCUS, PLACEHOLDER]);

static NUMBER_INPUT: Shape = shape(
    "number_input",
    "a number_input",
    &[
        needed("is_decimal_allowed", Rule::Flag),
        INITIAL,
        may("min_value", text(ANY)),
        may("max_value", text(ANY)),
        ACTION_ID,
        DISPATCH,
        FOCUS,
        PLACEHOLDER,
    ],
);

static RICH_TEXT_INPUT: Shape = shape(
    "rich_text_input",
    "a rich_text_input",
    &[may("initial_value", one(&[&RICH_TEXT])), ACTION_ID, DISPATCH, FOCUS, PLACEHOLDER],
)
.open();

static STATIC_SELECT: Shape = shape(
    "static_select",
    "a static_select",
    &[
        may("options", list(&Rule::Object(&OPTION), 1, 100)),
        may("option_groups", list(&Rule::Object(&OPTION_GROUP), 1, 100)),
        may("initial_option", Rule::Object(&OPTION)),
        ACTION_ID,
        CONFIRM,
        FOCUS,
        PLACEHOLDER,
    ],
)
.one_of(&["options", "option_groups"]);

static MULTI_STATIC_SELECT: Shape = shape(
    "multi_static_select",
    "a multi_static_select",
    &[
        may("options", list(&Rule::Object(&OPTION), 1, 100)),
        may("option_groups", list(&Rule::Object(&OPTION_GROUP), 1, 100)),
        may("initial_options", list(&Rule::Object(&OPTION), 1, 100)),
        MOST_SELECTED,
        ACTION_ID,
        CONFIRM,
        FOCUS,
        PLACEHOLDER,
    ],
)
.one_of(&["options", "option_groups"]);

static EXTERNAL_SELECT: Shape = shape(
    "external_select",
    "an external_select",
    &[may("initial_option", Rule::Object(&OPTION)), QUERY, ACTION_ID, CONFIRM, FOCUS, PLACEHOLDER],
);

static MULTI_EXTERNAL_SELECT: Shape = shape(
    "multi_external_select",
    "a multi_external_select",
    &[
        may("initial_options", list(&Rule::Object(&OPTION), 1, 100)),
        QUERY,
        MOST_SELECTED,
        ACTION_ID,
        CONFIRM,
        FOCUS,
        PLACEHOLDER,
    ],
);

static USERS_SELECT: Shape =
    shape("users_select", "a users_select", &[may("initial_user", text(ANY)), ACTION_ID, CONFIRM, FOCUS, PLACEHOLDER]);

static MULTI_USERS_SELECT: Shape = shape(
    "multi_users_select",
    "a multi_users_select",
    &[may("initial_users", list(&text(ANY), 1, ANY)), MOST_SELECTED, ACTION_ID, CONFIRM, FOCUS, PLACEHOLDER],
);

static CONVERSATIONS_SELECT: Shape = shape(
    "conversations_select",
    "a conversations_select",
    &[
        may("initial_conversation", text(ANY)),
        may("default_to_current_conversation", Rule::Flag),
        may("filter", Rule::Object(&FILTER)),
        may("response_url_enabled", Rule::Flag),
        ACTION_ID,
        CONFIRM,
        FOCUS,
        PLACEHOLDER,
    ],
);

static MULTI_CONVERSATIONS_SELECT: Shape = shape(
    "multi_conversations_select",
    "a multi_conversations_select",
    &[
        may("initial_conversations", list(&text(ANY), 1, ANY)),
        may("default_to_current_conversation", Rule::Flag),
        may("filter", Rule::Object(&FILTER)),
        MOST_SELECTED,
        ACTION_ID,
        CONFIRM,
        FOCUS,
        PLACEHOLDER,
    ],
);

static FILTER: Shape = shape(
    "",
    "a filter",
    &[
        may("include", list(&Rule::Among(&["im", "mpim", "private", "public"]), 1, 4)),
        may("exclude_external_shared_channels", Rule::Flag),
        may("exclude_bot_users", Rule::Flag),
    ],
)
.either(&["include", "exclude_external_shared_channels", "exclude_bot_users"]);

static CHANNELS_SELECT: Shape = shape(
    "channels_select",
    "a channels_select",
    &[
        may("initial_channel", text(ANY)),
        may("response_url_enabled", Rule::Flag),
        ACTION_ID,
        CONFIRM,
        FOCUS,
        PLACEHOLDER,
    ],
);

static MULTI_CHANNELS_SELECT: Shape = shape(
    "multi_channels_select",
    "a multi_channels_select",
    &[may("initial_channels", list(&text(ANY), 1, ANY)), MOST_SELECTED, ACTION_ID, CONFIRM, FOCUS, PLACEHOLDER],
);
