//! One declaration with every kind of attribute, looked at from all sides.

use super::*;
use crate::value::{Findings, Path, Tree, json};
use expect_test::expect;

/// A bakery.
///
/// It bakes.
#[derive(Debug, Clone, PartialEq, Attributes)]
struct Bakery<S: Stage = Applied> {
    /// What the sign
    /// over the door says.
    #[tf(required, replace)]
    name: S::Of<String>,
    /// Ovens.
    #[tf(optional, default = 2)]
    ovens: S::Of<Bounded<1, 9>>,
    /// When to open.
    #[tf(optional)]
    opens_after: S::Of<Option<DurationText>>,
    /// What is sold.
    #[tf(optional)]
    prices: S::Of<Option<Map<S, u16>>>,
    /// Kinds of flour.
    #[tf(optional)]
    flours: S::Of<Option<Set<S::Of<String>>>>,
    /// Who bakes.
    #[tf(optional)]
    shifts: S::Of<Option<List<S, Shift<S>>>>,
    /// How it is paid.
    #[tf(optional, default = {})]
    till: S::Of<Till<S>>,
    /// The key of the safe.
    #[tf(optional, sensitive)]
    safe: S::Of<Option<String>>,
    /// Loaves so far.
    #[tf(computed)]
    loaves: S::Of<Option<u64>>,
}

/// Some hours of work.
#[derive(Debug, Clone, PartialEq, Attributes)]
struct Shift<S: Stage> {
    /// The baker.
    #[tf(required)]
    baker: S::Of<String>,
    /// How many help.
    #[tf(optional, default = "1")]
    help: S::Of<CountOrShare>,
}

/// Where the money goes.
#[derive(Debug, Clone, PartialEq, Attributes)]
struct Till<S: Stage> {
    /// What is taken.
    #[tf(optional, default = "card_or_cash")]
    takes: S::Of<Payment>,
}

/// A way to pay.
#[derive(Debug, Clone, Copy, PartialEq, Choice)]
enum Payment {
    Cash,
    Card,
    CardOrCash,
}

fn tree(text: &str) -> Tree {
    let tree = json::decode(text.as_bytes()).unwrap();
    json::conform(tree, &Schema::of::<Bakery>(0).value_type()).unwrap()
}

fn list(findings: Findings) -> String {
    let findings = findings.into_iter();
    findings
        .map(|it| format!("{}: {}\n", it.path, it.message))
        .collect()
}

const FULL: &str = r#"{
    "name": "Rye", "ovens": 3, "opens_after": "1h30m", "prices": {"roll": 40},
    "flours": ["rye"], "shifts": [{"baker": "Ada", "help": "25%"}],
    "till": {"takes": "card"}, "safe": "s3", "loaves": 12
}"#;

#[test]
fn the_declaration_is_sound() {
    assert_eq!(
        problems::<Bakery<Planned>>(&RESERVED_IN_RESOURCE),
        Vec::<String>::new()
    );
}

#[test]
fn values_come_back_as_the_user_wrote_them() {
    let full = tree(FULL);
    let bakery = Bakery::<Applied>::decode(&full).unwrap();
    assert_eq!(bakery.ovens.get(), 3);
    assert_eq!(bakery.till.takes, Payment::Card);
    assert_eq!(bakery.encode(), full);
    assert_eq!(Bakery::<Planned>::decode(&full).unwrap().encode(), full);
}

#[test]
fn every_finding_is_told_at_once_even_beside_unknown_values() {
    let Tree::Map(mut wrong) = tree(
        r#"{"name": null, "ovens": 0, "opens_after": "later", "prices": {"a": -1, "b": 1.5},
            "flours": [""], "shifts": [{"baker": "Ada", "help": "1"}, {"baker": "Bob", "help": "many"}],
            "till": {"takes": "barter"}}"#,
    ) else {
        panic!("an object is an object");
    };
    wrong.insert("safe".to_owned(), Tree::Unknown);
    let findings = Bakery::<Planned>::decode(&Tree::Map(wrong)).unwrap_err();
    expect![[r#"
        name: a string is required, not null
        ovens: must be a whole number from 1 to 9, not 0
        opens_after: must be a duration of whole hours, minutes, seconds or milliseconds, such as "90s", "5m" or "1h30m", not "later"
        prices["a"]: must be a whole number from 0 to 65535, not -1
        prices["b"]: must be a whole number from 0 to 65535, not 1.5
        shifts[1].help: must be a count such as "3" or a share of the size from "0%" to "100%", not "many"
        till.takes: must be "cash", "card" or "card_or_cash", not "barter"
    "#]]
    .assert_eq(&list(findings));
}

#[test]
fn a_plan_may_be_unknown_anywhere_and_an_apply_nowhere() {
    let Tree::Map(full) = tree(FULL) else {
        panic!("an object is an object");
    };
    for name in full.keys() {
        let mut some = full.clone();
        some.insert(name.clone(), Tree::Unknown);
        let some = Tree::Map(some);
        assert_eq!(Bakery::<Planned>::decode(&some).unwrap().encode(), some);
        let findings = Bakery::<Applied>::decode(&some).unwrap_err();
        let paths: Vec<_> = findings.into_iter().map(|it| it.path).collect();
        assert_eq!(paths, [Path::of(name)]);
    }
}

#[test]
fn leaving_an_object_out_means_its_defaults() {
    assert_eq!(
        absent::<Till<Applied>>(),
        Some(Till {
            takes: Payment::CardOrCash
        })
    );
    assert_eq!(absent::<Shift<Applied>>(), None);
}

/// A shop that cannot be planned.
#[derive(Debug, Clone, PartialEq, Attributes)]
struct Rigid<S: Stage> {
    /// Objects that must be known.
    #[tf(optional)]
    shifts: S::Of<Option<Vec<Shift<S>>>>,
    /// Texts that must be known.
    #[tf(optional)]
    flours: S::Of<Option<Vec<String>>>,
    /// A map in which all is well.
    #[tf(optional)]
    prices: S::Of<Option<Map<S, u16>>>,
}

#[test]
fn elements_that_refuse_unknown_values_are_found() {
    assert_eq!(refuses_unknown::<Bakery<Planned>>(), Vec::<String>::new());
    assert_eq!(
        refuses_unknown::<Rigid<Planned>>(),
        ["shifts[0]", "flours[0]", "flours[1]"]
    );
}

/// Everything wrong that a declaration can be.
#[derive(Debug, Clone, PartialEq, Attributes)]
struct Broken<S: Stage> {
    #[tf(required)]
    count: S::Of<Option<String>>,
    /// An optional one that cannot be null.
    #[tf(optional)]
    strict: S::Of<bool>,
    /// A computed one that cannot be null.
    #[tf(computed)]
    early: S::Of<bool>,
    /// A default that its type refuses.
    #[tf(optional, default = "soon")]
    wait: S::Of<DurationText>,
    /// Required and optional.
    #[tf(required, optional)]
    both: S::Of<bool>,
    /// A marked one that nobody gives.
    #[tf(sensitive)]
    nobody: S::Of<Option<bool>>,
    /// A name that is none.
    #[tf(optional)]
    _loud: S::Of<Option<bool>>,
}

#[test]
fn broken_declarations_are_told_apart() {
    expect![[r#"
        count is a word of Terraform's language
        count: there is no description
        count: a required attribute is never null, so its type must not be Option
        strict: an optional attribute without default can be null, so its type must be Option
        early: a computed attribute is null before apply has filled it, so its type must be Option
        both: a required attribute cannot be optional or computed
        both: an optional attribute without default can be null, so its type must be Option
        nobody: it is neither required nor optional nor computed
        _loud: the name is not lower case with underscores
        wait: the default must be a duration of whole hours, minutes, seconds or milliseconds, such as "90s", "5m" or "1h30m", not "soon""#]]
    .assert_eq(&problems::<Broken<Planned>>(&RESERVED_IN_RESOURCE).join("\n"));
}

#[test]
fn the_reference_page_says_everything() {
    expect![[r###"
        ## Schema

        ### Required

        - `name` (String) What the sign over the door says. Changing it replaces the resource.

        ### Optional

        - `ovens` (Number) Ovens. Must be a whole number from 1 to 9. Default: `2`.
        - `opens_after` (String) When to open. Must be a duration of whole hours, minutes, seconds or milliseconds, such as "90s", "5m" or "1h30m".
        - `prices` (Map of Number) What is sold.
        - `flours` (Set of String) Kinds of flour.
        - `shifts` (Attributes List) Who bakes. (see [below](#nestedatt--shifts))
        - `till` (Attributes) How it is paid. Default: the defaults of its attributes. (see [below](#nestedatt--till))
        - `safe` (String, Sensitive) The key of the safe.

        ### Read-Only

        - `loaves` (Number) Loaves so far.

        <a id="nestedatt--shifts"></a>
        ### Nested Schema for `shifts`

        Required:

        - `baker` (String) The baker.

        Optional:

        - `help` (String) How many help. Must be a count such as "3" or a share of the size from "0%" to "100%". Default: `"1"`.

        <a id="nestedatt--till"></a>
        ### Nested Schema for `till`

        Optional:

        - `takes` (String) What is taken. Must be "cash", "card" or "card_or_cash". Default: `"card_or_cash"`.
    "###]].assert_eq(&reference(&Schema::of::<Bakery>(0)));
}
