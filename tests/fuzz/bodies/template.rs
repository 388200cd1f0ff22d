//! Any text as a template, alone and as the title, a field and the blocks of a message: checked, compiled, and tried out on
//! every sample of an outcome. Every place that is pointed at lies inside the template.

use slack_alert::diagnostic::{Problems, Sources};
use slack_alert::document::{Reader, Table, syntax};
use slack_alert::message::{self, Templates};

pub(crate) fn run(bytes: &[u8]) {
    let Ok(template) = std::str::from_utf8(bytes) else { return };
    // As a literal string, so that places in the file are places in the template.
    let forbidden = |c: char| c.is_control() && c != '\n' && c != '\t';
    if template.contains("'''") || template.ends_with('\'') || template.contains(forbidden) {
        return;
    }
    for before in [
        "template = '''",
        "message.title = '''",
        "message.fields.x = '''",
        "message.color = '''",
        "message.blocks = '''",
    ] {
        let text = format!("{before}{template}'''\n");
        let mut problems = Problems::default();
        let source = Sources::default().add("job.toml".as_ref(), text.as_str());
        let (parsed, clean) = syntax::parse(source, &text, &mut problems);
        assert!(clean, "{text:?}: {problems:?}");
        let reader = Reader::default();
        let mut table = Table::root(&reader, source, &text, &parsed);
        let format = message::read(&mut table, &Templates::default());
        let found = reader.into_problems();
        assert!(!format.is_plain() || found.errors() > 0, "{text:?} was refused without a word");
        for problem in found.iter() {
            let place = problem.place().expect("every problem has a place");
            assert!(text.get(place.span()).is_some() && place.end <= text.len(), "{problem:?} in {text:?}");
        }
    }
}
