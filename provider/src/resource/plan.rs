//! The usual plan: what Terraform's rules leave to a provider, done once for every resource.
//!
//! - What is configured is planned as it is configured, whatever a resource says.
//! - A computed attribute that is not configured takes its default; without one it is unknown on
//!   create and keeps its earlier value on update. Only the resource knows which will change.
//! - Attributes marked `replace` that differ are named to Terraform.
//!
//! Everything here is pure: it runs in the plan and again in the apply and has to agree.

use super::Resource;
use crate::schema::{Applied, Attribute, Field, Kind, Nesting, Planned, Schema, each, element_at};
use crate::value::{Findings, Path, Step, Tree};

/// A plan in the making, as a resource sees it.
#[derive(Debug)]
pub struct Plan<R: Resource> {
    /// The state before; none when the object is to be created.
    pub prior: Option<R::Model<Applied>>,
    /// The state wanted. A resource sets what it computes; configured attributes are the user's,
    /// and changes to them are ignored.
    pub planned: R::Model<Planned>,
    before: Option<R::Model<Planned>>,
    replace: Vec<Path>,
}

impl<R: Resource> Plan<R> {
    pub(super) fn read(prior: &Tree, planned: &Tree) -> Result<Plan<R>, Findings> {
        Ok(Plan {
            prior: Option::decode(prior)?,
            planned: R::Model::decode(planned)?,
            before: Option::decode(prior)?,
            replace: Vec::new(),
        })
    }

    /// Claims that the object exists and is to be changed. A replacement is planned as an update
    /// first and then as a create.
    pub fn is_update(&self) -> bool {
        self.prior.is_some()
    }

    /// Claims that a part differs from the state before; always on create. What is unknown
    /// differs from what was known: `plan.changed(|it| &it.release)`.
    pub fn changed<T: PartialEq + ?Sized>(&self, part: impl Fn(&R::Model<Planned>) -> &T) -> bool {
        let before = self.before.as_ref();
        before.is_none_or(|before| part(before) != part(&self.planned))
    }

    /// Makes Terraform replace the object if this attribute differs.
    pub fn replace_for(&mut self, path: Path) {
        self.replace.push(path);
    }

    pub(super) fn into_parts(self) -> (Tree, Vec<Path>) {
        (self.planned.encode(), self.replace)
    }
}

/// The configuration as validation sees it: defaults filled in, what is computed unknown.
pub(super) fn configured(schema: &Schema, config: &Tree) -> Tree {
    let proposed = object(&schema.attributes, config, &Tree::Null, config);
    settle(&schema.attributes, config, &Tree::Null, proposed)
}

/// The plan before the resource's exceptions.
pub(super) fn usual(schema: &Schema, config: &Tree, prior: &Tree, proposed: &Tree) -> Tree {
    object(&schema.attributes, config, prior, proposed)
}

/// Terraform's rules, held over whatever a resource made of the plan: attributes that are not
/// computed, or are configured, are the user's.
pub(super) fn settled(schema: &Schema, config: &Tree, prior: &Tree, planned: Tree) -> Tree {
    settle(&schema.attributes, config, prior, planned)
}

/// Plans the attributes of one object. `prior` is null for an object that is new.
fn object(attributes: &[Attribute], config: &Tree, prior: &Tree, proposed: &Tree) -> Tree {
    let is_new = !matches!(prior, Tree::Map(_));
    let planned = attributes.iter().map(|attribute| {
        let name = attribute.name;
        let place = Place {
            is_new,
            config: config.entry(name),
            prior: prior.entry(name),
            proposed: proposed.entry(name),
        };
        (name.to_owned(), place.plan(attribute))
    });
    Tree::Map(planned.collect())
}

/// One attribute's values at one place.
struct Place<'a> {
    is_new: bool,
    config: &'a Tree,
    prior: &'a Tree,
    proposed: &'a Tree,
}

impl Place<'_> {
    fn plan(&self, attribute: &Attribute) -> Tree {
        if !self.config.is_null() || !attribute.computed {
            return match &attribute.kind {
                Kind::Leaf(_) => self.config.clone(),
                Kind::Nested(nesting, inner) => self.nested(*nesting, inner),
            };
        }
        match &attribute.default {
            Some(default) => filled(&attribute.kind, default.clone()),
            None if self.is_new => Tree::Unknown,
            None => self.proposed.clone(),
        }
    }

    /// Plans configured nested objects: lists by position, maps by key. Elements of sets have no
    /// name; Terraform has matched them with the earlier ones in what it proposes.
    fn nested(&self, nesting: Nesting, inner: &[Attribute]) -> Tree {
        let (config, prior, proposed) = (self.config, self.prior, self.proposed);
        if nesting == Nesting::Set {
            return each(nesting, proposed.clone(), &|element, _| {
                object_or(inner, &element, &Tree::Null, &element)
            });
        }
        each(nesting, config.clone(), &|element, step| {
            object_or(
                inner,
                &element,
                element_at(prior, step),
                element_at(proposed, step),
            )
        })
    }
}

/// Plans an object unless it is null or unknown as a whole.
fn object_or(inner: &[Attribute], config: &Tree, prior: &Tree, proposed: &Tree) -> Tree {
    match config {
        Tree::Map(_) => object(inner, config, prior, proposed),
        other => other.clone(),
    }
}

/// Fills a nested default from the defaults of its own attributes.
fn filled(kind: &Kind, default: Tree) -> Tree {
    match kind {
        Kind::Leaf(_) => default,
        Kind::Nested(nesting, inner) => each(*nesting, default, &|value, _| {
            object_or(inner, &value, &Tree::Null, &value)
        }),
    }
}

fn settle(attributes: &[Attribute], config: &Tree, prior: &Tree, planned: Tree) -> Tree {
    let Tree::Map(mut entries) = planned else {
        return planned;
    };
    for attribute in attributes {
        let name = attribute.name;
        let planned = entries.remove(name).unwrap_or_default();
        let settled = settle_one(attribute, config.entry(name), prior.entry(name), planned);
        entries.insert(name.to_owned(), settled);
    }
    Tree::Map(entries)
}

fn settle_one(attribute: &Attribute, config: &Tree, prior: &Tree, planned: Tree) -> Tree {
    if config.is_null() && attribute.computed {
        return planned;
    }
    match &attribute.kind {
        // Planning the earlier value is how a resource says that a change means nothing.
        Kind::Leaf(_) if !config.is_null() && !prior.is_null() && planned == *prior => planned,
        Kind::Leaf(_) => config.clone(),
        // Elements of sets cannot be told apart; they are as the usual plan has them.
        Kind::Nested(Nesting::Set, _) => planned,
        Kind::Nested(nesting, inner) => each(*nesting, config.clone(), &|element, step| match (
            &element,
            element_at(&planned, step),
        ) {
            (Tree::Map(_), Tree::Map(entries)) => {
                let planned = Tree::Map(entries.clone());
                settle(inner, &element, element_at(prior, step), planned)
            }
            _ => element,
        }),
    }
}

/// Returns the paths of all `replace` attributes that differ.
pub(super) fn replaced(attributes: &[Attribute], prior: &Tree, planned: &Tree) -> Vec<Path> {
    replaced_under(attributes, &Path::root(), prior, planned)
}

fn replaced_under(
    attributes: &[Attribute],
    under: &Path,
    prior: &Tree,
    planned: &Tree,
) -> Vec<Path> {
    let (Tree::Map(_), Tree::Map(_)) = (prior, planned) else {
        return Vec::new();
    };
    let paths = attributes.iter().flat_map(|attribute| {
        let path = under.clone().attribute(attribute.name);
        let (prior, planned) = (prior.entry(attribute.name), planned.entry(attribute.name));
        match &attribute.kind {
            _ if prior == planned => Vec::new(),
            _ if attribute.replace => vec![path],
            Kind::Leaf(_) => Vec::new(),
            Kind::Nested(nesting, inner) => elements(*nesting, prior, planned)
                .into_iter()
                .flat_map(|(step, prior, planned)| {
                    let path = step.map_or_else(|| path.clone(), |it| path.clone().then(it));
                    replaced_under(inner, &path, prior, planned)
                })
                .collect(),
        }
    });
    paths.collect()
}

/// Pairs the nested objects that are there before and after. A path cannot name an element of a
/// set.
fn elements<'a>(
    nesting: Nesting,
    prior: &'a Tree,
    planned: &'a Tree,
) -> Vec<(Option<Step>, &'a Tree, &'a Tree)> {
    match (nesting, prior, planned) {
        (Nesting::Single, ..) => vec![(None, prior, planned)],
        (Nesting::List, Tree::Seq(before), Tree::Seq(after)) => before
            .iter()
            .zip(after)
            .enumerate()
            .map(|(index, (before, after))| (Some(Step::Index(index)), before, after))
            .collect(),
        (Nesting::Map, Tree::Map(before), Tree::Map(after)) => before
            .iter()
            .filter_map(|(key, before)| {
                Some((Some(Step::Key(key.clone())), before, after.get(key)?))
            })
            .collect(),
        _ => Vec::new(),
    }
}
