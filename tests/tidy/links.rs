//! Links between pages lead somewhere.

use std::path::{Path, PathBuf};

#[test]
fn every_link_to_a_file_finds_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut pages = pages_below(&root.join("docs"));
    pages.extend(pages_below(&root.join("examples")));
    pages.extend([root.join("README.md"), root.join("CONTRIBUTING.md")]);
    assert!(pages.len() > 15, "only {} pages found", pages.len());
    let dead: Vec<String> = pages.iter().flat_map(|page| dead_links(page)).collect();
    assert!(dead.is_empty(), "\n{}", dead.join("\n"));
}

fn pages_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is readable");
    let paths = entries.map(|entry| entry.expect("the entry is readable").path());
    paths
        .flat_map(|path| match path.extension() {
            _ if path.is_dir() => pages_below(&path),
            Some(ending) if ending == "md" => vec![path],
            _ => Vec::new(),
        })
        .collect()
}

/// The links of a page whose file, or whose heading in it, is not there.
fn dead_links(page: &Path) -> Vec<String> {
    let text = read(page);
    let links = text.match_indices("](").filter_map(|(at, open)| {
        let rest = &text[at + open.len()..];
        rest.split_once(')').map(|(link, _)| link)
    });
    let dead = links.filter(|link| {
        let (file, heading) = link.split_once('#').unwrap_or((link, ""));
        let target = match file {
            "" => page.to_owned(),
            file => page.parent().unwrap_or(page).join(file),
        };
        let is_elsewhere = link.contains("://");
        !is_elsewhere && (!target.exists() || !(heading.is_empty() || has(&target, heading)))
    });
    dead.map(|link| format!("{}: {link}", page.display()))
        .collect()
}

/// Claims that a page has a heading, or an anchor, of that name.
fn has(page: &Path, wanted: &str) -> bool {
    let text = read(page);
    let slug = |heading: &str| -> String {
        let kept = heading.trim().to_lowercase();
        let kept = kept.replace(' ', "-");
        kept.chars()
            .filter(|letter| letter.is_alphanumeric() || "-_".contains(*letter))
            .collect()
    };
    let headings = text.lines().filter(|line| line.starts_with('#'));
    text.contains(&format!("id=\"{wanted}\""))
        || headings
            .map(|line| slug(line.trim_start_matches('#')))
            .any(|it| it == wanted)
}

fn read(page: &Path) -> String {
    std::fs::read_to_string(page).unwrap_or_else(|error| panic!("{}: {error}", page.display()))
}
