//! The few shapes that a picture is made of, as SVG.

use std::fmt::{Arguments, Write};

/// A picture that is being drawn.
pub(super) struct Drawing {
    text: String,
}

/// A filled rectangle, with words for whoever points at it; empty: none.
pub(super) struct Rect<'a> {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) fill: &'a str,
    pub(super) title: &'a str,
}

/// A line of text.
pub(super) struct Text<'a> {
    x: u32,
    y: u32,
    anchor: &'static str,
    text: &'a str,
}

impl<'a> Text<'a> {
    /// Text that begins at a place.
    pub(super) fn start(x: u32, y: u32, text: &'a str) -> Self {
        Self::anchored("start", (x, y), text)
    }

    /// Text around a place.
    pub(super) fn middle(x: u32, y: u32, text: &'a str) -> Self {
        Self::anchored("middle", (x, y), text)
    }

    /// Text that ends at a place.
    pub(super) fn end(x: u32, y: u32, text: &'a str) -> Self {
        Self::anchored("end", (x, y), text)
    }

    fn anchored(anchor: &'static str, (x, y): (u32, u32), text: &'a str) -> Self {
        Self { x, y, anchor, text }
    }
}

impl Drawing {
    /// Begins a picture of a size; `title` and `told` are for those who cannot see it.
    ///
    /// Its own colour can be read on white and on black: beside a page, as a file, it cannot know which
    /// of them it stands on.
    pub(super) fn new((width, height): (u32, u32), title: &str, told: &str) -> Self {
        let mut drawing = Self {
            text: String::new(),
        };
        drawing.push(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             role=\"img\" font-family=\"sans-serif\" font-size=\"12\" color=\"#777777\" \
             fill=\"currentColor\">\n<title>{}</title>\n<desc>{}</desc>\n",
            escaped(title),
            escaped(told)
        ));
        drawing
    }

    pub(super) fn rect(&mut self, rect: &Rect<'_>) {
        let Rect {
            x,
            y,
            width,
            height,
            fill,
            title,
        } = rect;
        if *width == 0 || *height == 0 {
            return;
        }
        let title = match *title {
            "" => String::new(),
            title => format!("<title>{}</title>", escaped(title)),
        };
        self.push(format_args!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{fill}\">\
             {title}</rect>\n"
        ));
    }

    pub(super) fn line(&mut self, from: (u32, u32), to: (u32, u32)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.push(format_args!(
            "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" stroke=\"currentColor\"/>\n"
        ));
    }

    pub(super) fn text(&mut self, text: &Text<'_>) {
        let Text { x, y, anchor, text } = text;
        self.push(format_args!(
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{}</text>\n",
            escaped(text)
        ));
    }

    pub(super) fn end(mut self) -> String {
        self.push(format_args!("</svg>\n"));
        self.text
    }

    fn push(&mut self, text: Arguments<'_>) {
        self.text
            .write_fmt(text)
            .expect("a string takes every text");
    }
}

/// Returns a text that stands for itself in HTML, XML and SVG, in content and in attributes.
/// Characters that XML does not know at all are left out.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(letter),
            other if other.is_control() || matches!(other, '\u{fffe}' | '\u{ffff}') => {}
            other => safe.push(other),
        }
    }
    safe
}
