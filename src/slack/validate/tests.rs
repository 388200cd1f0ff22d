use serde_json::{Value, json};

use super::validate;

fn flaws(blocks: &Value) -> Vec<String> {
    validate(blocks).into_iter().map(|flaw| format!("{} {}", flaw.pointer, flaw.why)).collect()
}

#[test]
fn what_slack_does_not_take_is_named_with_its_place() {
    let plain = |text: &str| json!({"type": "plain_text", "text": text});
    let mrkdwn = |text: &str| json!({"type": "mrkdwn", "text": text});
    for (blocks, wanted) in [
        (json!({}), " blocks are a JSON array"),
        (json!(["x"]), "/0 a block is an object with a `type`"),
        (json!([{"text": "x"}]), "/0 a block needs `type`"),
        (json!([{"type": "foo"}]), "/0/type there is no block of type `foo`"),
        (json!([{"type": "section"}]), "/0 a section needs `text` or `fields`"),
        (
            json!([{"type": "section", "text": "x"}]),
            "/0/text `text` of a section must be an object: {\"type\": \"plain_text\", \"text\": …}",
        ),
        (
            json!([{"type": "section", "fields": []}]),
            "/0/fields `fields` of a section has 0 members, and must have from 1 to 10",
        ),
        (
            json!([{"type": "header", "text": mrkdwn("x")}]),
            "/0/text/type `text` of a header must be plain_text, and not `mrkdwn`",
        ),
        (json!([{"type": "header"}]), "/0 a header needs `text`"),
        (json!([{"type": "image", "image_url": "https://x.example/i.png"}]), "/0 an image needs `alt_text`"),
        (json!([{"type": "image", "alt_text": "x"}]), "/0 an image needs `image_url` or `slack_file`"),
        (json!([{"type": "context"}]), "/0 a context needs `elements`"),
        (
            json!([{"type": "context", "elements": [{"type": "button"}]}]),
            "/0/elements/0/type a member of `elements` of a context must be plain_text, mrkdwn or image, and not `button`",
        ),
        (
            json!([{"type": "actions", "elements": [{"type": "button", "text": plain("x"), "url": "foo"}]}]),
            "/0/elements/0/url `foo` is no absolute URL, https or http",
        ),
        (
            json!([{"type": "section", "text": mrkdwn("x"), "accessory": {"type": "button", "text": mrkdwn("x")}}]),
            "/0/accessory/text/type `text` of a button must be plain_text, and not `mrkdwn`",
        ),
        (json!([{"type": "rich_text"}]), "/0 a block of rich text needs `elements`"),
        (json!([{"type": "sektion", "text": mrkdwn("x")}]), "/0/type there is no block of type `sektion`"),
        (json!([{"type": 1}]), "/0/type `type` is a string"),
        (json!([{"type": "section", "txt": mrkdwn("x"), "fields": [mrkdwn("x")]}]), "/0/txt a section has no `txt`"),
        (json!([{"type": "section", "text": mrkdwn("")}]), "/0/text/text the text of `text` of a section is empty"),
        (
            json!([{"type": "section", "text": {"type": "mrkdwn"}}]),
            "/0/text `text` of a section needs `text`, a string",
        ),
        (json!([{"type": "section", "fields": mrkdwn("x")}]), "/0/fields `fields` of a section is a list"),
        (
            json!([{"type": "header", "text": plain(&"x".repeat(151))}]),
            "/0/text/text the text of `text` of a header has 151 characters, and Slack takes 150",
        ),
        (
            json!([{"type": "section", "text": mrkdwn(&"x".repeat(3001))}]),
            "/0/text/text the text of `text` of a section has 3001 characters, and Slack takes 3000",
        ),
        (
            json!([{"type": "section", "fields": [mrkdwn(&"x".repeat(2001))]}]),
            "/0/fields/0/text the text of a member of `fields` of a section has 2001 characters, and Slack takes 2000",
        ),
        (
            json!([{"type": "section", "fields": vec![mrkdwn("x"); 11]}]),
            "/0/fields `fields` of a section has 11 members, and must have from 1 to 10",
        ),
        (
            json!([{"type": "actions", "elements": [{"type": "button", "text": plain(&"x".repeat(76))}]}]),
            "/0/elements/0/text/text the text of `text` of a button has 76 characters, and Slack takes 75",
        ),
        (
            json!([{"type": "actions", "elements": [{"type": "button", "text": plain("x"), "style": "red"}]}]),
            "/0/elements/0/style `style` of a button is `primary` or `danger`",
        ),
        (
            json!([{"type": "actions", "elements": [{"type": "knob"}]}]),
            "/0/elements/0/type there is no element of type `knob`",
        ),
        (
            json!([{"type": "actions", "elements": []}]),
            "/0/elements `elements` of an actions block has 0 members, and must have from 1 to 25",
        ),
        (
            json!([{"type": "image", "alt_text": "x", "image_url": "/i.png"}]),
            "/0/image_url `/i.png` is no absolute URL, https or http",
        ),
        (
            json!([{"type": "image", "alt_text": "", "image_url": "https://x.example/i.png"}]),
            "/0/alt_text `alt_text` of an image is empty",
        ),
        (
            json!([{"type": "divider", "block_id": "a"}, {"type": "divider", "block_id": "a"}]),
            "/1/block_id another block has the same `block_id`",
        ),
        (json!([{"type": "input", "label": plain("x")}]), "/0 an input needs `element`"),
        (json!([{"type": "markdown"}]), "/0 a markdown block needs `text`"),
        (json!([{"type": "table"}]), "/0 a table needs `rows`"),
        (Value::from(vec![json!({"type": "divider"}); 51]), " 51 blocks are too many: Slack takes 50"),
    ] {
        assert_eq!(flaws(&blocks), [wanted], "{blocks}");
    }
}

#[test]
fn what_slack_takes_has_no_flaw() {
    let blocks = json!([
        {"type": "header", "text": {"type": "plain_text", "text": "Title", "emoji": true}},
        {"type": "section", "fields": [{"type": "mrkdwn", "text": "*A*\n1"}, {"type": "plain_text", "text": "b"}]},
        {"type": "context", "elements": [
            {"type": "image", "image_url": "https://x.example/i.png", "alt_text": "i"}, {"type": "mrkdwn", "text": "x"}]},
        {"type": "actions", "elements": [
            {"type": "button", "text": {"type": "plain_text", "text": "Go"}, "url": "https://x.example"},
            {"type": "overflow", "options": [{"text": {"type": "plain_text", "text": "Go"}, "value": "go"}]}]},
        {"type": "divider"},
        {"type": "table", "rows": [[{"type": "raw_text", "text": "a"}, null]]},
        {"type": "rich_text", "elements": []},
        {"type": "image", "slack_file": {"id": "F1"}, "alt_text": "i"},
    ]);
    assert_eq!(flaws(&blocks), Vec::<String>::new());
}

/// Each of these is refused by Slack, and was taken for well.
#[test]
fn every_part_of_every_kind_of_block_and_element_is_looked_at() {
    let plain = |text: &str| json!({"type": "plain_text", "text": text});
    let section = |accessory: Value| json!([{"type": "section", "text": plain("x"), "accessory": accessory}]);
    let actions = |elements: Value| json!([{"type": "actions", "elements": elements}]);
    let rich = |element: Value| json!([{"type": "rich_text", "elements": [element]}]);
    let line = |piece: Value| rich(json!({"type": "rich_text_section", "elements": [piece]}));
    let button = |more: Value| {
        let mut button = json!({"type": "button", "text": plain("Go")});
        button.as_object_mut().expect("an object").append(&mut more.as_object().expect("an object").clone());
        button
    };
    let option = |n: usize| json!({"text": plain("x"), "value": n.to_string()});
    let options = |count: usize| (0..count).map(option).collect::<Vec<_>>();
    let select = |more: Value| {
        let mut select = json!({"type": "static_select"});
        select.as_object_mut().expect("an object").append(&mut more.as_object().expect("an object").clone());
        section(select)
    };
    let cell = json!({"type": "raw_text", "text": "x"});
    let confirm = |text: &str| json!({"title": plain("Sure?"), "text": plain(text), "confirm": plain("Yes"), "deny": plain("No")});
    for (blocks, wanted) in [
        (
            actions(json!([button(json!({"action_id": "go"})), button(json!({"action_id": "go"}))])),
            "/0/elements/1/action_id another element of the block has the same `action_id`",
        ),
        (
            actions(json!([button(json!({"action_id": ""}))])),
            "/0/elements/0/action_id `action_id` of a button is empty",
        ),
        (
            rich(json!({"type": "rich_text_paragraph", "elements": []})),
            "/0/elements/0/type a member of `elements` of a block of rich text must be rich_text_section, \
             rich_text_list, rich_text_preformatted or rich_text_quote, and not `rich_text_paragraph`",
        ),
        (
            line(json!({"type": "bold", "text": "x"})),
            "/0/elements/0/elements/0/type there is no element of type `bold`",
        ),
        (line(json!({"type": "text", "text": ""})), "/0/elements/0/elements/0/text `text` of a text is empty"),
        (
            line(json!({"type": "text", "text": "x", "style": {"fat": true}})),
            "/0/elements/0/elements/0/style/fat a style has no `fat`",
        ),
        (
            line(json!({"type": "broadcast", "range": "all"})),
            "/0/elements/0/elements/0/range `range` of a broadcast is `here`, `channel` or `everyone`",
        ),
        (
            line(json!({"type": "link", "url": "x.example"})),
            "/0/elements/0/elements/0/url `url` of a link is an absolute URL of at most 3000 characters",
        ),
        (
            rich(json!({"type": "rich_text_list", "elements": [{"type": "rich_text_section", "elements": []}]})),
            "/0/elements/0 a rich_text_list needs `style`",
        ),
        (json!([{"type": "markdown", "text": ""}]), "/0/text `text` of a markdown block is empty"),
        (
            json!([{"type": "markdown", "text": "x".repeat(7_000)}, {"type": "markdown", "text": "x".repeat(7_000)}]),
            "/1/text all markdown together has 14000 characters, and Slack takes 12000",
        ),
        (select(json!({})), "/0/accessory a static_select needs `options` or `option_groups`"),
        (
            select(json!({"options": []})),
            "/0/accessory/options `options` of a static_select has 0 members, and must have from 1 to 100",
        ),
        (
            select(json!({"options": options(101)})),
            "/0/accessory/options `options` of a static_select has 101 members, and must have from 1 to 100",
        ),
        (
            select(json!({"options": options(1), "option_groups": [{"label": plain("x"), "options": options(1)}]})),
            "/0/accessory a static_select has `options` or `option_groups`, not both",
        ),
        (
            select(json!({"option_groups": [{"label": plain("x"), "options": []}]})),
            "/0/accessory/option_groups/0/options `options` of a group of options has 0 members, and must have from 1 \
             to 100",
        ),
        (select(json!({"options": [{"text": plain("x")}]})), "/0/accessory/options/0 an option needs `value`"),
        (
            select(json!({"options": [{"text": plain(&"x".repeat(76)), "value": "1"}]})),
            "/0/accessory/options/0/text/text the text of `text` of an option has 76 characters, and Slack takes 75",
        ),
        (
            select(json!({"options": options(2), "initial_option": option(7)})),
            "/0/accessory/initial_option `initial_option` is none of the options, word for word",
        ),
        (
            select(json!({"options": options(2), "placeholder": plain(&"x".repeat(151))})),
            "/0/accessory/placeholder/text the text of `placeholder` of a static_select has 151 characters, and Slack \
             takes 150",
        ),
        (
            section(json!({"type": "overflow", "options": options(6)})),
            "/0/accessory/options `options` of an overflow menu has 6 members, and must have from 1 to 5",
        ),
        (
            actions(json!([{"type": "radio_buttons", "options": options(11)}])),
            "/0/elements/0/options `options` of a group of radio_buttons has 11 members, and must have from 1 to 10",
        ),
        (actions(json!([{"type": "checkboxes"}])), "/0/elements/0 a list of checkboxes needs `options`"),
        (
            actions(json!([{"type": "datepicker", "initial_date": "tomorrow"}])),
            "/0/elements/0/initial_date `initial_date` of a datepicker is written YYYY-MM-DD",
        ),
        (
            json!([{"type": "header", "text": {"type": "plain_text", "text": "x", "verbatim": true}}]),
            "/0/text/verbatim plain_text has no `verbatim`",
        ),
        (
            json!([{"type": "section", "text": {"type": "mrkdwn", "text": "x", "emoji": true}}]),
            "/0/text/emoji mrkdwn has no `emoji`",
        ),
        (
            json!([{"type": "section", "text": {"type": "plain_text", "text": "x", "emoji": "yes"}}]),
            "/0/text/emoji `emoji` is true or false",
        ),
        (
            json!([{"type": "table", "rows": []}]),
            "/0/rows `rows` of a table has 0 members, and must have from 1 to 100",
        ),
        (
            json!([{"type": "table", "rows": vec![json!([cell]); 101]}]),
            "/0/rows `rows` of a table has 101 members, and must have from 1 to 100",
        ),
        (
            json!([{"type": "table", "rows": [vec![cell.clone(); 21]]}]),
            "/0/rows/0 a member of `rows` of a table has 21 members, and must have from 1 to 20",
        ),
        (
            json!([{"type": "table", "rows": [[{"type": "raw_text", "text": ""}]]}]),
            "/0/rows/0/0/text `text` of a cell is empty",
        ),
        (
            json!([{"type": "table", "rows": [["x"]]}]),
            "/0/rows/0/0 a member of a member of `rows` of a table is an object with a `type`",
        ),
        (
            json!([{"type": "table", "rows": [[cell]]}, {"type": "table", "rows": [[cell]]}]),
            "/1 a message has at most 1 table",
        ),
        (
            json!([{"type": "file", "external_id": "x", "source": "remote"}]),
            "/0/type Slack takes no `file` block from an app: only messages with a remote file have one",
        ),
        (
            json!([{"type": "alert", "text": plain("x")}]),
            "/0/type Slack takes an `alert` in a modal, and not in a message",
        ),
        (
            actions(json!([button(
                json!({"confirm": {"text": plain("x"), "confirm": plain("y"), "deny": plain("n")}})
            )])),
            "/0/elements/0/confirm a confirmation dialog needs `title`",
        ),
        (
            actions(json!([button(json!({"confirm": confirm(&"x".repeat(301))}))])),
            "/0/elements/0/confirm/text/text the text of `text` of a confirmation dialog has 301 characters, and Slack \
             takes 300",
        ),
        (actions(json!([button(json!({"urll": "https://x.example"}))])), "/0/elements/0/urll a button has no `urll`"),
        (
            actions(json!([{"type": "image", "image_url": "https://x.example/i.png", "alt_text": "x"}])),
            "/0/elements/0/type no `image` can stand here",
        ),
        (section(json!({"type": "plain_text_input"})), "/0/accessory/type no `plain_text_input` can stand here"),
        (
            json!([{"type": "input", "label": plain("x"), "element": {"type": "file_input"}}]),
            "/0/element/type no `file_input` can stand here",
        ),
        (
            json!([{"type": "image", "alt_text": "x", "image_url": "https://x.example/i", "slack_file": {"id": "F1"}}]),
            "/0 an image has `image_url` or `slack_file`, not both",
        ),
        (
            json!([{"type": "image", "alt_text": "x", "slack_file": {}}]),
            "/0/slack_file a slack_file needs `id` or `url`",
        ),
        (
            json!([{"type": "video", "alt_text": "x", "title": plain("x"), "thumbnail_url": "https://x.example/i",
                "video_url": "http://x.example/v"}]),
            "/0/video_url `http://x.example/v` is no absolute URL, https",
        ),
        (json!([{"type": "divider", "block_id": ""}]), "/0/block_id `block_id` is empty"),
        (
            json!([{"type": "carousel", "elements": []}]),
            "/0/elements `elements` of a carousel has 0 members, and must have from 1 to 10",
        ),
        (
            json!([{"type": "card", "subtitle": plain("x")}]),
            "/0 a card needs `hero_image` or `title` or `actions` or `body`",
        ),
        (
            json!([{"type": "container", "title": plain("x"), "child_blocks": [{"type": "divder"}]}]),
            "/0/child_blocks/0/type there is no block of type `divder`",
        ),
        (
            json!([{"type": "context_actions", "elements": [button(json!({}))]}]),
            "/0/elements/0/type no `button` can stand here",
        ),
        (
            json!([{"type": "data_table", "caption": "x", "rows": [[cell]]}]),
            "/0/rows `rows` of a data_table has 1 members, and must have from 2 to 201",
        ),
        (
            json!([{"type": "task_card", "title": "x", "status": "done", "task_id": "1"}]),
            "/0/status `status` of a task_card is `pending`, `in_progress`, `complete` or `error`",
        ),
    ] {
        assert_eq!(flaws(&blocks), [wanted], "{blocks}");
    }
}
