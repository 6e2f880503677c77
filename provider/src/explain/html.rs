//! A page as HTML of its own: no scripts, no references, nothing to load.

use super::course::{Row, rows};
use super::{Attribute, Change, FleetChange, Page};
use crate::picture::{escaped, timeline};
use crate::rollout::{Forecast, Words};
use std::fmt::{Arguments, Write};

const STYLE: &str = "\
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8884; \
vertical-align: top; }
td:first-child { white-space: nowrap; }
code { font-size: .9em; overflow-wrap: anywhere; }
svg { width: 100%; height: auto; color: inherit; }
";

/// Returns a page as HTML.
#[must_use]
pub fn html(page: &Page) -> String {
    let mut text = Html(String::new());
    text.push(format_args!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>What this plan does</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <h1>What this plan does</h1>\n<p>{}</p>\n",
        escaped(&page.summary())
    ));
    for fleet in &page.fleets {
        text.fleet(fleet);
    }
    text.others(&page.others);
    text.push(format_args!(
        "<p>Planned by Terraform {}.</p>\n</body>\n</html>\n",
        escaped(&page.terraform_version)
    ));
    text.0
}

struct Html(String);

impl Html {
    fn push(&mut self, text: Arguments<'_>) {
        self.0.write_fmt(text).expect("a string takes every text");
    }

    fn fleet(&mut self, fleet: &FleetChange) {
        let Change { address, actions } = &fleet.change;
        let (address, actions) = (escaped(address), escaped(actions));
        self.push(format_args!("<h2><code>{address}</code>: {actions}</h2>\n"));
        self.attributes(&fleet.attributes);
        match &fleet.forecast {
            Some(forecast) => {
                let title = format!("Members and traffic of {} over time", fleet.change.address);
                self.push(format_args!("{}", timeline(forecast, &title)));
                self.course(forecast);
            }
            None => self.lines(&fleet.lines),
        }
    }

    fn attributes(&mut self, attributes: &[Attribute]) {
        if attributes.is_empty() {
            return;
        }
        self.push(format_args!(
            "<table>\n<tr><th scope=\"col\">changes</th><th scope=\"col\">from</th><th scope=\"col\">to</th></tr>\n"
        ));
        for Attribute {
            path,
            before,
            after,
        } in attributes
        {
            let (path, before, after) = (escaped(path), escaped(before), escaped(after));
            self.push(format_args!(
                "<tr><td><code>{path}</code></td><td><code>{before}</code></td>\
                 <td><code>{after}</code></td></tr>\n"
            ));
        }
        self.push(format_args!("</table>\n"));
    }

    /// The steps, each with the least time after which it is over and who serves then.
    fn course(&mut self, forecast: &Forecast) {
        self.push(format_args!(
            "<table>\n<tr><th scope=\"col\">over after at least</th><th scope=\"col\">step</th><th scope=\"col\">in service</th>\
             <th scope=\"col\">running</th></tr>\n"
        ));
        for row in rows(forecast) {
            let step = escaped(&row.step());
            let (at, serving, running) = match &row {
                Row::Moment(moment) => (
                    Words(moment.at).to_string(),
                    moment.serving.to_string(),
                    moment.running().to_string(),
                ),
                Row::LeftOut(_) => (String::new(), String::new(), String::new()),
            };
            self.push(format_args!(
                "<tr><td>{at}</td><td>{step}</td><td>{serving}</td><td>{running}</td></tr>\n"
            ));
        }
        self.push(format_args!("</table>\n"));
        for line in forecast.closing() {
            self.push(format_args!("<p>{}</p>\n", escaped(&line)));
        }
    }

    /// The steps as the plan shows them, where nothing more is known of them.
    fn lines(&mut self, lines: &[String]) {
        if lines.is_empty() {
            return;
        }
        self.push(format_args!("<ol>\n"));
        for line in lines {
            self.push(format_args!("<li>{}</li>\n", escaped(line)));
        }
        self.push(format_args!("</ol>\n"));
    }

    fn others(&mut self, others: &[Change]) {
        if others.is_empty() {
            return;
        }
        self.push(format_args!("<h2>Everything else</h2>\n<ul>\n"));
        for Change { address, actions } in others {
            let (address, actions) = (escaped(address), escaped(actions));
            self.push(format_args!("<li><code>{address}</code>: {actions}</li>\n"));
        }
        self.push(format_args!("</ul>\n"));
    }
}
