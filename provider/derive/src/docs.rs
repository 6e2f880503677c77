//! Doc comments as text.

use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// Joins a doc comment's lines; lines of one paragraph become one line, as Markdown reads them.
pub(crate) fn doc_text(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(doc_line);
    let mut text = String::new();
    for line in lines {
        let line = line.trim();
        let separator = match (text.is_empty() || text.ends_with('\n'), line.is_empty()) {
            (true, _) => "",
            (false, true) => "\n\n",
            (false, false) => " ",
        };
        text.push_str(separator);
        text.push_str(line);
    }
    text.trim_end().to_owned()
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else {
        return None;
    };
    match &pair.value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(line),
            ..
        }) if pair.path.is_ident("doc") => Some(line.value()),
        _ => None,
    }
}
